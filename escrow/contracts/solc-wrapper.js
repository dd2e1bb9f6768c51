#!/usr/bin/env node
// forge wants a native compiler; this answers its two questions (--version, --standard-json) with npm's solc.
const path = require("node:path");
const solc = require(require.resolve("solc", { paths: [path.resolve(__dirname, "../..")] }));

if (process.argv.includes("--version")) {
  // forge parses the "Version:" line of the native compiler
  process.stdout.write(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (process.argv.includes("--standard-json")) {
  const input = require("node:fs").readFileSync(0, "utf8");
  process.stdout.write(solc.compile(input));
} else {
  process.stderr.write("solc-wrapper: only --version and --standard-json\n");
  process.exit(1);
}
