// Runs slither over the sources, with the forge that npm installed. Where it lies is the argument (tools/slither/install.sh).
// It cleans and builds in an output folder of its own, so that what other steps built stays.
import { spawnSync } from "node:child_process";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const [where] = process.argv.slice(2);
const forge = dirname(fileURLToPath(import.meta.resolve("@foundry-rs/forge-linux-amd64/bin/forge")));
const env = {
  ...process.env,
  PATH: [forge, process.env.PATH].join(delimiter),
  PYTHONPATH: where,
  FOUNDRY_OUT: "out/slither",
  FOUNDRY_CACHE_PATH: "cache/slither",
};
const { status, error } = spawnSync(join(where, "bin/slither"), [".", "--foundry-out-directory", "out/slither"], {
  cwd: fileURLToPath(new URL("..", import.meta.url)),
  env,
  stdio: "inherit",
});
if (error) throw error;
process.exitCode = status ?? 1;
