// Settings hold at once.

const vscode = require("vscode");

exports["lenses go and come with their setting"] = async ({ file, lenses, until }) => {
  const uri = file("harness.toml");
  await vscode.workspace.openTextDocument(uri);
  const settings = vscode.workspace.getConfiguration("selfHarness");
  await settings.update("codeLens.enable", false, vscode.ConfigurationTarget.Global);
  await until("no lens", async () => (await lenses(uri)).length === 0);
  await settings.update("codeLens.enable", undefined, vscode.ConfigurationTarget.Global);
  await until("three lenses", async () => (await lenses(uri)).length === 3);
};

exports["the path of the server cannot come from a project"] = async ({ assert, file, lenses, until }) => {
  const settings = file(".vscode/settings.json");
  await vscode.workspace.fs.writeFile(settings, Buffer.from('{"selfHarness.server.path": "/bin/false"}'));
  const uri = file("harness.toml");
  await vscode.commands.executeCommand("selfHarness.restart");
  await until("three lenses", async () => (await lenses(uri)).length === 3);
  assert.equal(vscode.workspace.getConfiguration("selfHarness").get("server.path"), "");
  await vscode.workspace.fs.delete(file(".vscode"), { recursive: true });
};

exports["nothing is started or applied on save, whatever kinds the settings name"] = async ({ assert, file, read, until }) => {
  const settings = file(".vscode/settings.json");
  const kinds = { "source.selfHarness": "always", quickfix: "always", "quickfix.selfHarness.proposal": "always" };
  await vscode.workspace.fs.writeFile(settings, Buffer.from(JSON.stringify({ "editor.codeActionsOnSave": kinds })));
  const document = await vscode.workspace.openTextDocument(file("prompts/system.md"));
  const editor = await vscode.window.showTextDocument(document);
  const before = document.getText();
  await until("the setting", () => vscode.workspace.getConfiguration("editor", document).get("codeActionsOnSave").quickfix);
  assert.ok(await editor.edit((edit) => edit.insert(new vscode.Position(2, 0), "Be exact. ")), "the editor was left");
  assert.ok(await document.save(), "it is not saved");
  assert.equal(read("prompts/system.md"), before.replace("You write", "Be exact. You write"));
  await vscode.commands.executeCommand("undo");
  await document.save();
  assert.equal(read("prompts/system.md"), before);
  await vscode.workspace.fs.delete(file(".vscode"), { recursive: true });
  const store = file(".self-harness");
  await assert.rejects(async () => vscode.workspace.fs.stat(store), "a store was made");
};
