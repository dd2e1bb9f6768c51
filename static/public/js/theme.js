// Runs before the first paint: the reader's choice of theme, else the system's.
(() => {
  const key = "forelock-theme";
  const system = matchMedia("(prefers-color-scheme: dark)");
  const chosen = () => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // storage may be forbidden
    }
  };
  const apply = () => {
    const theme = chosen() ?? (system.matches ? "dark" : "light");
    document.documentElement.dataset.theme = `forelock-${theme}`;
    return theme;
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("DOMContentLoaded", () => {
    const button = document.querySelector("[data-theme-toggle]");
    if (!button) return;
    button.hidden = false;
    button.addEventListener("click", () => {
      const dark = document.documentElement.dataset.theme === "forelock-dark";
      try {
        localStorage.setItem(key, dark ? "light" : "dark");
      } catch {
        // then the choice lasts as long as this page
      }
      document.documentElement.dataset.theme = dark ? "forelock-light" : "forelock-dark";
    });
  });
})();
