// The real Ethereum client for one run: geth in its developer mode, which makes a block for each transaction, on a port the
// kernel picks. `make node-geth` puts it into the cache.
import { spawn } from "node:child_process";
import { homedir } from "node:os";
import { createInterface } from "node:readline";

const binary = `${process.env.AES_CACHE ?? `${homedir()}/.cache/aes`}/bin/geth`;
const options = "--dev --dev.gaslimit 30000000 --ipcdisable --nodiscover --maxpeers 0 --port 0 --authrpc.port 0 --http --http.addr 127.0.0.1 --http.port 0";

/** geth's own well-known developer key: all ether of the chain is its. */
export const developerKey = "0xb71c71a67e1177ad4e901695e1b4b9ee17ae16c6668d313eac2f96dbcda3f291";

/** Starts geth; answers its URL and how to stop it. */
export async function startGeth() {
  const child = spawn(binary, options.split(" "), { stdio: ["ignore", "inherit", "pipe"] });
  const stop = () => child.kill();
  process.once("exit", stop);
  const said = [];
  const url = await new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`geth ${why}; \`make node-geth\` builds it. It said:\n${said.slice(-20).join("\n")}`));
    const late = setTimeout(() => fail("did not say where it listens within 30 s"), 30_000);
    child.once("error", (error) => fail(error.message));
    child.once("exit", (code) => fail(`ended with ${code} before it listened`));
    createInterface({ input: child.stderr }).on("line", (line) => {
      said.push(line);
      const found = /HTTP server started\s+endpoint=(\S+)/.exec(line);
      if (!found) return;
      clearTimeout(late);
      resolve(`http://${found[1]}`);
    });
  });
  return { url, stop };
}
