// Every form in which something is shown, as the editor has it from the extension: the server's text, letter for letter.

const vscode = require("vscode");

/** What there is to be shown, by its form. */
const forms = (read) => JSON.parse(read("forms.json"));

const opened = async (file) => {
  const document = await vscode.workspace.openTextDocument(file("forms.md"));
  await vscode.window.showTextDocument(document);
  return document.uri;
};

/** Waits until what the editor has is what there is to be shown. */
const same = async ({ assert, until }, wanted, shown) => {
  let last;
  await until("the forms", async () => {
    last = await shown();
    return JSON.stringify(last) === JSON.stringify(wanted);
  }).catch(() => undefined);
  assert.deepEqual(last, wanted);
};

exports["problems are the server's texts"] = async (desk) => {
  const uri = await opened(desk.file);
  await same(desk, forms(desk.read).problem, () =>
    [...vscode.languages.getDiagnostics(uri)].sort((a, b) => a.range.start.line - b.range.start.line).map(({ message }) => message),
  );
};

exports["hints are the server's texts"] = async (desk) => {
  const uri = await opened(desk.file);
  await same(desk, forms(desk.read).hint, async () => {
    const hints = await vscode.commands.executeCommand("vscode.executeInlayHintProvider", uri, new vscode.Range(0, 0, 200, 0));
    return hints.map(({ label }) => (typeof label === "string" ? label : label.map(({ value }) => value).join("")));
  });
};

exports["lenses are the server's texts, without an icon"] = async (desk) => {
  const uri = await opened(desk.file);
  const wanted = forms(desk.read).lens;
  await same(desk, wanted, () => desk.lenses(uri));
  desk.assert.ok(!wanted.some((title) => title.includes("$(")));
};

exports["hovers are the server's texts"] = async (desk) => {
  const uri = await opened(desk.file);
  const wanted = forms(desk.read).hover;
  await same(desk, wanted, () =>
    Promise.all(
      wanted.map(async (_, line) => {
        const hovers = await vscode.commands.executeCommand("vscode.executeHoverProvider", uri, new vscode.Position(line, 1));
        // That of a problem there has no text of its own.
        return hovers.flatMap(({ contents }) => contents.map(({ value }) => value)).join("\n");
      }),
    ),
  );
};

exports["actions are the server's texts"] = async (desk) => {
  const uri = await opened(desk.file);
  await same(desk, forms(desk.read).action, async () => {
    const actions = await vscode.commands.executeCommand("vscode.executeCodeActionProvider", uri, new vscode.Range(0, 0, 0, 0));
    return actions.map(({ title }) => title);
  });
};
