// A key goes into the environment of the server under a variable that the manifest names, but not under any.

const vscode = require("vscode");

exports["a manifest cannot choose a variable that steers programs"] = async ({ assert, file, read }) => {
  const uri = file("harness.toml");
  const text = read("harness.toml");
  for (const name of ["LD_PRELOAD", "PATH", "NODE_OPTIONS", "no name"]) {
    await vscode.workspace.fs.writeFile(uri, Buffer.from(text.replace("MODEL_API_KEY", name)));
    await vscode.commands.executeCommand("workbench.action.files.revert");
    // Where a key may be kept, the command waits for an answer; here it refuses at once.
    const asked = vscode.commands.executeCommand("selfHarness.key", { root: file("").toString() });
    const waited = new Promise((resolve) => setTimeout(resolve, 5_000, "waits for an answer"));
    assert.notEqual(await Promise.race([asked, waited]), "waits for an answer", name);
  }
  await vscode.workspace.fs.writeFile(uri, Buffer.from(text));
};
