// Runs the forge that npm installed, by its platform's own package: the npm launcher @foundry-rs/forge ends with 0 even
// when forge failed, which would make every check here green, and lists packages of platforms that not every registry has.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const binary = import.meta.resolve("@foundry-rs/forge-linux-amd64/bin/forge");
const project = fileURLToPath(new URL("..", import.meta.url));

/** Runs `forge ...args` in the project; throws where it fails. */
export function forge(args, stdio = "inherit") {
  const { status, error } = spawnSync(fileURLToPath(binary), args, { cwd: project, stdio });
  if (error) throw error;
  if (status !== 0) throw new Error(`forge ${args[0]} failed with status ${status}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    forge(process.argv.slice(2));
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  }
}
