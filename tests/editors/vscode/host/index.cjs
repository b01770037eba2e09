// Runs in the extension host, beside the extension: what other extensions and the editor itself get from it.

const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const vscode = require("vscode");

/** The files of tests, or those that whoever started the editor names. */
const named = process.env.SELF_HARNESS_TESTS?.split(" ") ?? ["manifest", "documents", "key", "settings"];
const tests = named.map((name) => require(`./${name}.cjs`));

/** Waits until something holds. */
async function until(what, holds) {
  const end = Date.now() + 30_000;
  for (;;) {
    const last = await holds();
    if (last) {
      return last;
    }
    if (end < Date.now()) {
      throw new Error(`not within 30 s: ${what}; last ${JSON.stringify(last)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Called by the editor; it ends with an error if a test fails. */
exports.run = async () => {
  const root = vscode.workspace.workspaceFolders[0].uri;
  const extension = vscode.extensions.getExtension("self-harness.self-harness");
  assert.ok(extension, "the extension is not there");
  await until("the extension is active", () => extension.isActive);
  const desk = {
    assert,
    extension,
    root,
    until,
    file: (name) => vscode.Uri.joinPath(root, name),
    read: (name) => fs.readFileSync(path.join(root.fsPath, name), "utf8"),
    lenses: async (uri) => {
      const lenses = await vscode.commands.executeCommand("vscode.executeCodeLensProvider", uri, 10);
      return lenses.map((lens) => lens.command?.title ?? "");
    },
  };
  const told = [];
  for (const file of tests) {
    for (const [name, test] of Object.entries(file)) {
      try {
        await test(desk);
        told.push(`ok ${name}`);
      } catch (error) {
        told.push(`not ok ${name}\n${error.stack}`);
      }
    }
  }
  // Whoever started this reads it when the editor has ended.
  fs.writeFileSync(process.env.SELF_HARNESS_TEST_REPORT, `${told.join("\n")}\n`);
  if (told.some((line) => line.startsWith("not ok"))) {
    throw new Error("tests failed");
  }
};
