// What forge made of a contract. Builds first, so that nobody reads what an older source left behind.
import { readFileSync } from "node:fs";
import { forge } from "./forge.mjs";

forge(["build", "--skip", "test"], ["ignore", "ignore", "inherit"]);

export function forgeOutput(name) {
  return JSON.parse(readFileSync(new URL(`../out/${name}.sol/${name}.json`, import.meta.url), "utf8"));
}
