// The published schema of proof files, by a validator that is not ours: it takes what real nodes and the recorded proofs
// made, and refuses a field that is missing or unknown. relayer/evidence/tests/schema.rs says the same of the reader.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";
import Ajv from "ajv";

const read = (path) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"));
const recorded = (name) => read(`relayer/evidence/testdata/${name}`);
const ajv = new Ajv({ allErrors: false });
// how many bits a number has in Rust
for (const name of ["uint8", "uint32", "uint64"]) ajv.addFormat(name, true);

/** May be missing, or null. */
const optional = ["certificate", "decision", "held", "home", "next_validators", "prepared", "presigned", "settled", "state"];

/** Of an execution with legs on chains of all three kinds; then one leg alone with each proof of absence. */
function files() {
  const sample = recorded("sample/proof.json");
  const absent = (proof) => {
    const [leg] = structuredClone(sample.legs);
    return { ...sample, home: null, legs: [{ ...leg, held: null, settled: { ...leg.settled, proof } }] };
  };
  const { row } = sample.legs[3].held.proof.bitcoin;
  const nodes = ["0xc0"];
  return [
    sample,
    absent({ cosmos: recorded("cosmos/wasmd-absent.json").proof }),
    absent({ bitcoin: { row, shown: { absence: {} } } }),
    absent({ evm: { headers: nodes, shown: { absence: { account: nodes, parent: "0xc0", slot: nodes, state: "0xc0" } } } }),
  ];
}

/** Every object in a value. */
function* objects(value) {
  if (value === null || typeof value !== "object") return;
  if (!Array.isArray(value)) yield value;
  for (const part of Object.values(value)) yield* objects(part);
}

/** The fields that may be missing. */
function found(takes, file) {
  assert.ok(takes(file), JSON.stringify(takes.errors));
  const missing = new Set();
  for (const object of objects(file)) {
    object.stranger = 1;
    assert.ok(!takes(file), `an unknown field beside ${Object.keys(object)} is taken`);
    delete object.stranger;
    for (const [key, value] of Object.entries(object)) {
      delete object[key];
      if (takes(file)) missing.add(key);
      object[key] = value;
    }
  }
  return missing;
}

test("the schema takes and refuses what the reader does", () => {
  const takes = ajv.compile(read("schema/proof.json"));
  const missing = files().flatMap((file) => [...found(takes, file)]);
  assert.deepEqual([...new Set(missing)].sort(), optional);
  const anchors = ajv.compile(read("schema/anchors.json"));
  assert.ok(anchors(recorded("sample/anchors.json")), JSON.stringify(anchors.errors));
});
