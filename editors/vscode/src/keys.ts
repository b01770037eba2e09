// Keys of models, kept by the editor's secret storage. A key goes into the environment of the server, under the variable that the
// manifest names, and nowhere else: into no message, setting or log.

import * as vscode from "vscode";

/** Which variables have a key; the names are no secret. */
const NAMES = "selfHarness.keys";

/** Variables that steer programs; a manifest must not get to set one of them. */
const RESERVED = /^(PATH|HOME|USER|SHELL|TERM|LANG|PWD|TMPDIR|IFS|ENV|BASH_ENV|LD_.*|DYLD_.*|NODE_.*|XDG_.*|LC_.*|SELF_HARNESS_.*)$/;

/** Whether a key may be kept under this name. */
export function isVariable(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !RESERVED.test(name);
}

/** The keys that the user has stored. */
export class Keys {
  constructor(private readonly context: vscode.ExtensionContext) {}

  /** What is added to the environment of the server. */
  async environment(): Promise<Record<string, string>> {
    const environment: Record<string, string> = {};
    for (const name of this.names()) {
      const key = await this.context.secrets.get(slot(name));
      if (key) {
        environment[name] = key;
      }
    }
    return environment;
  }

  /** Keeps a key. */
  async store(name: string, key: string): Promise<void> {
    await this.context.secrets.store(slot(name), key);
    await this.context.globalState.update(NAMES, [...new Set([...this.names(), name])]);
  }

  /** Forgets a key. */
  async forget(name: string): Promise<void> {
    await this.context.secrets.delete(slot(name));
    await this.context.globalState.update(
      NAMES,
      this.names().filter((known) => known !== name),
    );
  }

  /** Whether a key is kept under this name. */
  has(name: string): boolean {
    return this.names().includes(name);
  }

  private names(): string[] {
    return this.context.globalState.get<string[]>(NAMES, []).filter(isVariable);
  }
}

function slot(name: string): string {
  return `${NAMES}.${name}`;
}

/** The variable that a manifest names for its key. */
export function variableOf(manifest: string): string | undefined {
  return /^\s*api_key_env\s*=\s*["']([^"']*)["']/m.exec(manifest)?.[1];
}
