#!/usr/bin/env node
// forge wants a native solc; npm carries the JavaScript one. This answers the two things forge asks
// of a compiler, so the compiler is pinned by package-lock.json like everything else.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

const solc = createRequire(import.meta.url)("solc");

if (process.argv.includes("--version")) {
  console.log(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}`);
} else {
  // forge puts every source into the request, so --base-path and its like have nothing to say here.
  process.stdout.write(solc.compile(readFileSync(0, "utf8")));
}
