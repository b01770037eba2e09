// Documents of a harness have what a language server gives; others have nothing of it.

const vscode = require("vscode");

exports["the manifest has three lenses, a prompt has one"] = async ({ assert, file, lenses, until }) => {
  const manifest = file("harness.toml");
  await vscode.workspace.openTextDocument(manifest);
  await until("three lenses", async () => (await lenses(manifest)).length === 3);
  await vscode.workspace.openTextDocument(file("prompts/system.md"));
  await until("one lens", async () => (await lenses(file("prompts/system.md"))).length === 1);
  assert.equal((await lenses(manifest))[2], "More…");
};

exports["a misspelled key is a problem, with a fix that mends it"] = async ({ assert, file, until }) => {
  const uri = file("harness.toml");
  const document = await vscode.workspace.openTextDocument(uri);
  const editor = await vscode.window.showTextDocument(document);
  const line = document.getText().split("\n").findIndex((text) => text.startsWith("max_steps"));
  await editor.edit((edit) => edit.insert(new vscode.Position(line, "max_step".length), "p"));
  const ours = () =>
    vscode.languages.getDiagnostics(uri).find(({ range, source }) => range.start.line === line && source === "self-harness");
  const problem = await until("the problem", ours);
  const actions = await vscode.commands.executeCommand("vscode.executeCodeActionProvider", uri, problem.range, "quickfix", 5);
  const fix = actions.find((action) => action.title.includes("max_steps"));
  assert.ok(fix?.edit, actions.map((action) => action.title).join());
  await vscode.workspace.applyEdit(fix.edit);
  assert.match(document.lineAt(line).text, /^max_steps = 8$/);
  await until("no problem", () => !ours());
  await vscode.commands.executeCommand("undo");
  await vscode.commands.executeCommand("undo");
  await vscode.commands.executeCommand("workbench.action.files.revert");
};

exports["a tool is found from its name, and completed"] = async ({ assert, file, until }) => {
  const uri = file("harness.toml");
  const symbols = await until("symbols", async () => {
    const found = await vscode.commands.executeCommand("vscode.executeDocumentSymbolProvider", uri);
    return found?.length ? found : undefined;
  });
  const tools = symbols.find(({ name }) => name === "tool");
  assert.deepEqual(tools?.children.map(({ name }) => name), ["shell"]);
  const document = await vscode.workspace.openTextDocument(uri);
  const line = document.getText().split("\n").findIndex((text) => text === "[runtime]");
  const at = new vscode.Position(line + 1, 0);
  const completion = await vscode.commands.executeCommand("vscode.executeCompletionItemProvider", uri, at);
  const labels = completion.items.map(({ label }) => (typeof label === "string" ? label : label.label));
  assert.ok(labels.includes("tool_timeout"), labels.join());
};

exports["a file that no harness names gets nothing"] = async ({ assert, file, lenses }) => {
  const uri = file("notes.md");
  await vscode.workspace.fs.writeFile(uri, Buffer.from("# Notes\n\nUse `grep_files`.\n"));
  await vscode.workspace.openTextDocument(uri);
  assert.deepEqual(await lenses(uri), []);
  const hovers = await vscode.commands.executeCommand("vscode.executeHoverProvider", uri, new vscode.Position(0, 3));
  assert.deepEqual(hovers, []);
  await vscode.workspace.fs.delete(uri);
};

exports["pages are documents, and say so if there is no such page"] = async ({ assert, file, until }) => {
  const problems = await until("problems", () => {
    const found = vscode.languages.getDiagnostics(file("harness.toml"));
    return found.length ? found : undefined;
  });
  const { target, value } = problems[0].code;
  assert.equal(target.scheme, "selfharness");
  const page = await vscode.workspace.openTextDocument(target);
  assert.ok(page.getText().includes(value));
  await assert.rejects(async () => vscode.workspace.openTextDocument(target.with({ path: "/proposal/P99" })));
};

exports["a page is shown to be read"] = async ({ file, until }) => {
  await vscode.commands.executeCommand("selfHarness.rule", { root: file("").toString(), rule: "SH104" });
  const tabs = () => vscode.window.tabGroups.all.flatMap((group) => group.tabs);
  await until("its panel", () =>
    tabs().some((tab) => tab.input instanceof vscode.TabInputWebview && tab.label.includes("SH104")),
  );
};
