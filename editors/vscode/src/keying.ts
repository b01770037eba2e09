// `Set Model Key…`: where the key of a harness comes from.

import * as vscode from "vscode";
import { type Keys, isVariable, variableOf } from "./keys";
import { manifest } from "./roots";

/** Asks where the key comes from, and keeps it if the user gives one. `restart` lets the server have it. */
export async function setKey(keys: Keys, root: vscode.Uri, restart: () => Promise<void>): Promise<void> {
  const document = await vscode.workspace.openTextDocument(manifest(root));
  const variable = variableOf(document.getText());
  if (!variable) {
    void vscode.window.showInformationMessage(
      'Self-Harness: harness.toml names no variable for a key: write `api_key_env = "MODEL_API_KEY"` into its `[model]`.',
    );
    return;
  }
  if (!isVariable(variable)) {
    void vscode.window.showErrorMessage(`Self-Harness: no key is kept under the name \`${variable}\`.`);
    return;
  }
  const use = { label: `Use variable ${variable}`, detail: "Set it where the editor is started, and start the editor again" };
  const store = { label: "Store in Keychain", detail: "The editor keeps it; the server gets it in its environment and nobody else does" };
  const forget = { label: "Remove from Keychain", detail: `Forget the key that is kept for ${variable}` };
  const none = { label: "Checks only", detail: "No run is started that needs the key" };
  const choices = keys.has(variable) ? [store, forget, none] : [use, store, none];
  const picked = await vscode.window.showQuickPick(choices, { placeHolder: `The key of the model: ${variable}` });
  if (picked === use) {
    void vscode.window.showInformationMessage(
      `Self-Harness: set ${variable} in the environment that the editor is started from, then start the editor again.`,
    );
  } else if (picked === store) {
    const key = await vscode.window.showInputBox({
      prompt: `The key for ${variable}`,
      password: true,
      ignoreFocusOut: true,
      validateInput: (value) => (value === value.trim() ? undefined : "there is a blank at its beginning or end"),
    });
    if (key) {
      await keys.store(variable, key);
      await restart();
    }
  } else if (picked === forget) {
    await keys.forget(variable);
    await restart();
  }
}
