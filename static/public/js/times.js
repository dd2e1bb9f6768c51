// Moments in the reader's own time zone with UTC beside them, and countdowns on the chain's clock.

const named = (options) => new Intl.DateTimeFormat(undefined, options);
const clock = named({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const dayOfYear = named({ day: "numeric", month: "short" });
const day = named({ day: "numeric", month: "short", year: "numeric" });
const utcClock = named({ hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: "UTC" });
const utcDay = named({ day: "numeric", month: "short", timeZone: "UTC" });

// `14:05 (13:05 UTC)` today, with the date on another day, with the year in another year.
export function localTime(moment, now = new Date()) {
  const today = day.format(moment) === day.format(now);
  const date = today ? "" : `${(moment.getFullYear() === now.getFullYear() ? dayOfYear : day).format(moment)}, `;
  const here = date + clock.format(moment);
  if (moment.getTimezoneOffset() === 0) return `${here} UTC`;
  const other = utcDay.format(moment) === dayOfYear.format(moment) ? "" : `${utcDay.format(moment)}, `;
  return `${here} (${other}${utcClock.format(moment)} UTC)`;
}

function localise(element) {
  const moment = new Date(element.dateTime);
  if (Number.isNaN(moment.getTime())) return;
  element.title = element.textContent;
  element.textContent = localTime(moment);
  delete element.dataset.local;
}

export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s >= 259200) return `${Math.floor(s / 86400)} d`;
  if (s >= 86400) return `${Math.floor(s / 86400)} d ${Math.floor((s % 86400) / 3600)} h`;
  if (s >= 3600) return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
  if (s >= 60) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${s} s`;
}

// The chain's clock may run ahead of ours: every answer of the server says what time it is there.
const skew = new Map(); // data-now of an element → our time when it was first seen
const announced = new Map(); // deadline and words → the last threshold read out

function left(element) {
  const now = Number(element.dataset.now);
  const key = element.dataset.now;
  if (!skew.has(key)) skew.set(key, Date.now() / 1000);
  return Number(element.dataset.countdown) - (now + Date.now() / 1000 - skew.get(key));
}

function announce(element, seconds, share) {
  const { says, countdown } = element.dataset;
  if (!says) return;
  const threshold = seconds <= 0 ? 0 : share <= 0.1 ? 10 : share <= 0.25 ? 25 : 100;
  const key = countdown + says;
  const before = announced.get(key);
  announced.set(key, threshold);
  if (before === undefined || threshold >= before) return;
  const text = threshold === 0 ? says : `${duration(seconds)} left to deliver.`;
  document.getElementById("announcer").textContent = text;
}

function tick(element) {
  const seconds = left(element);
  const text = duration(seconds);
  if (element.textContent !== text) element.textContent = text;
  const since = Number(element.dataset.since);
  if (!since) return;
  const share = seconds / Math.max(1, Number(element.dataset.countdown) - since);
  element.classList.toggle("countdown-late", share <= 0.1);
  element.classList.toggle("countdown-soon", share > 0.1 && share <= 0.25);
  announce(element, seconds, share);
}

export function refresh(root = document) {
  root.querySelectorAll("time[data-local]").forEach(localise);
  root.querySelectorAll("time[data-countdown]").forEach(tick);
}

export function start() {
  refresh();
  setInterval(() => document.querySelectorAll("time[data-countdown]").forEach(tick), 1000);
}
