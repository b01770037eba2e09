// The package, the server and the pages say the same: settings, commands and versions.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..", "..", "..");
const read = (file) => readFileSync(path.join(ROOT, file), "utf8");

/** What only the client has: the server never sees these. */
const CLIENT_SETTINGS = ["notifications", "server.path", "trace.server"];
const CLIENT_COMMANDS = ["restart", "log"];
/** Commands of the view, of which the palette knows nothing. */
const VIEW_COMMANDS = ["openItem", "openLocation"];

/** Compares them. */
export async function inStep(_, step) {
  const manifest = JSON.parse(read("editors/vscode/package.json"));
  const readme = read("editors/vscode/README.md");
  const { commands, configuration, menus } = manifest.contributes;
  const own = (name) => name.replace(/^selfHarness\./, "");
  const sorted = (names) => [...new Set(names)].sort();

  await step("settings are those that the server reads", () => {
    const source = read("server/src/lsp/settings.rs");
    const known = [...source.matchAll(/(?:is_on|of)\(\s*"([a-zA-Z.]+)"/g)].map((found) => found[1]);
    assert.deepEqual(sorted(Object.keys(configuration.properties).map(own)), sorted([...known, ...CLIENT_SETTINGS]));
  });

  await step("settings have the defaults of the server and a scope", () => {
    const source = read("server/src/lsp/settings.rs");
    const defaults = /impl Default for Settings \{[\s\S]*?Self \{([\s\S]*?)\}/.exec(source)[1];
    const values = [...defaults.matchAll(/\b(\w+): (true|false|\d+)/g)].map(([, , value]) => JSON.parse(value));
    const shown = Object.entries(configuration.properties)
      .filter(([name]) => !CLIENT_SETTINGS.includes(own(name)) && own(name) !== "inlayHints.enable")
      .map(([, { default: value }]) => value);
    assert.deepEqual(shown.map(String).sort(), values.map(String).sort());
    for (const [name, { scope }] of Object.entries(configuration.properties)) {
      assert.equal(scope, own(name) === "server.path" ? "machine" : "window", name);
    }
  });

  await step("settings stand in the page of the extension, with their defaults", () => {
    for (const [name, { default: value }] of Object.entries(configuration.properties)) {
      assert.ok(readme.includes(`| \`${name}\` | ${value === "" ? "none" : `\`${value}\``} |`), name);
    }
    const rows = [...readme.matchAll(/^\| `(selfHarness\.[a-zA-Z.]+)` \| (?:none|`)/gm)].map((found) => found[1]);
    assert.deepEqual(sorted(rows), sorted(Object.keys(configuration.properties)));
  });

  await step("commands are those of the server", () => {
    const list = /WORDS: \[&str; \d+\] = \[([\s\S]*?)\]/.exec(read("server/src/ide/command.rs"))[1];
    const words = [...list.matchAll(/"(\w+)"/g)].map((found) => found[1]);
    const ours = commands.map(({ command }) => own(command));
    assert.deepEqual(sorted(ours), sorted([...words, ...CLIENT_COMMANDS, ...VIEW_COMMANDS]));
  });

  await step("commands stand in the page of the extension, and hide where they do not apply", () => {
    for (const { command, title } of commands.filter(({ command }) => !VIEW_COMMANDS.includes(own(command)))) {
      assert.ok(readme.includes(`*${title}*`), title);
      const entry = menus.commandPalette.find((one) => one.command === command);
      assert.equal(entry === undefined, ["init", "demo"].includes(own(command)), command);
    }
  });

  await step("the version is the server's", () => {
    const version = /\[workspace\.package\]\s*version = "([^"]+)"/.exec(read("Cargo.toml"))[1];
    assert.equal(manifest.version, version);
  });

  await step("the licence is the repository's", () => {
    assert.equal(read("editors/vscode/LICENSE"), read("LICENSE"));
  });
}
