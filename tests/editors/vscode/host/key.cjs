// A key goes into the environment of the server under a variable that the manifest names, but not under any.

const vscode = require("vscode");

exports["a manifest cannot choose a variable that steers programs"] = async ({ assert, file }) => {
  const document = await vscode.workspace.openTextDocument(file("harness.toml"));
  await vscode.window.showTextDocument(document);
  let before = "MODEL_API_KEY";
  for (const name of ["LD_PRELOAD", "PATH", "NODE_OPTIONS", "no name"]) {
    const at = document.getText().indexOf(`"${before}"`) + 1;
    const edit = new vscode.WorkspaceEdit();
    const range = new vscode.Range(document.positionAt(at), document.positionAt(at + before.length));
    edit.replace(document.uri, range, name);
    assert.ok(await vscode.workspace.applyEdit(edit));
    before = name;
    // Where a key may be kept, the command waits for an answer; here it refuses at once.
    const asked = vscode.commands.executeCommand("selfHarness.key", { root: file("").toString() });
    const waited = new Promise((resolve) => setTimeout(resolve, 5_000, "waits for an answer"));
    assert.notEqual(await Promise.race([asked, waited]), "waits for an answer", name);
  }
  await vscode.commands.executeCommand("workbench.action.files.revert");
};
