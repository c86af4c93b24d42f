// A real EVM node for one run: the anvil that contracts/evm pins, on a port the kernel picks.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const binary = fileURLToPath(
  new URL("../../contracts/evm/node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil", import.meta.url),
);

/** Starts anvil; answers its URL and how to stop it. */
export async function startAnvil(...options) {
  const child = spawn(binary, ["--port", "0", "--host", "127.0.0.1", ...options], { stdio: ["ignore", "pipe", "inherit"] });
  const stop = () => child.kill();
  process.once("exit", stop);
  const url = await new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error("anvil did not say where it listens within 20 s")), 20_000);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`anvil ended with ${code} before it listened`)));
    createInterface({ input: child.stdout }).on("line", (line) => {
      const found = /^Listening on (\S+)$/.exec(line);
      if (!found) return;
      clearTimeout(late);
      resolve(`http://${found[1]}`);
    });
  });
  return { url, stop };
}
