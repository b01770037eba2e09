// What the package promises to the editor is there.

const vscode = require("vscode");

exports["every command of the package is registered, and no command twice"] = async ({ assert, extension }) => {
  const registered = await vscode.commands.getCommands(true);
  for (const { command } of extension.packageJSON.contributes.commands) {
    assert.ok(registered.includes(command), command);
  }
  assert.equal(new Set(registered).size, registered.length);
};

exports["commands of the server are registered by the client"] = async ({ assert, until }) => {
  await until("the server's commands", async () =>
    (await vscode.commands.getCommands(true)).includes("self-harness.evaluate"),
  );
  const registered = await vscode.commands.getCommands(true);
  assert.ok(registered.includes("self-harness.menu"));
};

exports["every setting has the value that the package says"] = async ({ assert, extension }) => {
  const settings = vscode.workspace.getConfiguration();
  for (const [name, { default: standard }] of Object.entries(extension.packageJSON.contributes.configuration.properties)) {
    assert.equal(settings.inspect(name).defaultValue, standard, name);
  }
};

exports["the manifest has a language of its own"] = async ({ assert, file }) => {
  const document = await vscode.workspace.openTextDocument(file("harness.toml"));
  assert.equal(document.languageId, "self-harness-manifest");
};
