// Plays all parts, or those that are named, and sums up: the last line is `N passed, N failed`.

import { readdirSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { closing } from "./closing.mjs";
import { faults } from "./faults.mjs";
import { forms } from "./forms.mjs";
import { host } from "./host.mjs";
import { inStep } from "./in-step.mjs";
import { several } from "./several.mjs";
import { ui } from "./ui.mjs";

const PARTS = { "in-step": inStep, ui, several, host, forms, faults, closing };

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "code-server": { type: "string" },
    work: { type: "string" },
    binary: { type: "string" },
    option: { type: "string", multiple: true, default: [] },
  },
});
const extensions = path.join(values.work, "extensions");
const setUp = {
  codeServer: values["code-server"],
  binary: values.binary,
  flags: values.option,
  extensions,
  extension: path.join(extensions, readdirSync(extensions).find((name) => name.startsWith("self-harness."))),
  pictures: path.join(values.work, "pictures"),
};

let passed = 0;
let failed = 0;
async function play(name) {
  const step = async (title, work) => {
    const begin = Date.now();
    try {
      await work();
    } catch (error) {
      console.log(`FAILED  ${name}: ${title}`);
      throw error;
    }
    passed += 1;
    console.log(`ok      ${name}: ${title} (${((Date.now() - begin) / 1000).toFixed(1)} s)`);
  };
  try {
    await PARTS[name](setUp, step);
  } catch (error) {
    failed += 1;
    console.log(error);
  }
}

// A person mostly waits, so two lanes take little longer than one.
const wanted = positionals.length === 0 ? Object.keys(PARTS) : positionals;
const lanes = [["in-step", "ui", "several"], ["host", "forms", "faults", "closing"]];
await Promise.all(
  lanes.map(async (lane) => {
    for (const name of lane.filter((part) => wanted.includes(part))) {
      await play(name);
    }
  }),
);
console.log(`${passed} passed, ${failed} failed; pictures in ${setUp.pictures}`);
process.exitCode = failed === 0 && 0 < passed ? 0 : 1;
