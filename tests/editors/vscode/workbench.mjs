// VS Code's workbench and extension host (code-server) with a browser in front of it, and what a person does there.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import path from "node:path";
import { chromium } from "playwright-core";

/** Longer than anything but a run takes on a machine with other work. */
export const PATIENCE = 30_000;

/** No telemetry, no recommendations, no trial of anything: what is left is what the extension does. */
const SETTINGS = {
  "chat.disableAIFeatures": true,
  "editor.minimap.enabled": false,
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": false,
  "extensions.ignoreRecommendations": true,
  "files.autoSave": "off",
  "git.enabled": false,
  "security.workspace.trust.startupPrompt": "always",
  "telemetry.telemetryLevel": "off",
  "update.mode": "none",
  "window.menuBarVisibility": "compact",
  "workbench.colorTheme": "Default Dark Modern",
  "workbench.editor.useModal": "off",
  "workbench.enableExperiments": false,
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.startupEditor": "none",
  "workbench.tips.enabled": false,
};

const BROWSER = [
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-gpu",
  "--disable-quic",
  "--disable-sync",
  "--no-first-run",
  "--no-sandbox",
];

/** An editor in a browser. */
export class Workbench {
  /** `options`: `codeServer` (its entry), `extensions` (a directory), `lab`, `pictures` and the number of the `first`, `settings`, those of the
   *  `machine`, `environment`; `isDriven` if a page shall run tests in its host, which takes `flags`: it shows no messages then. */
  constructor(options) {
    this.options = options;
    this.shots = options.first ?? 0;
  }

  /** Starts the editor; no window yet. */
  async start() {
    const { codeServer, extensions, lab, settings = {}, machine = {}, environment = {}, flags, isDriven = false } = this.options;
    // Whoever starts it again finds what they left.
    const isNew = this.data === undefined;
    this.data ??= mkdtempSync(path.join(lab.directory, "code-"));
    const { data } = this;
    for (const [kind, all] of isNew ? [["User", { ...SETTINGS, ...settings }], ["Machine", machine]] : []) {
      mkdirSync(path.join(data, kind));
      writeFileSync(path.join(data, kind, "settings.json"), JSON.stringify(all, null, 2));
    }
    const config = path.join(data, "config.yaml");
    writeFileSync(config, "");
    this.port = await freePort();
    const arguments_ = [
      ...[codeServer, "--bind-addr", `127.0.0.1:${this.port}`, "--auth", "none", "--config", config],
      ...["--user-data-dir", data, "--extensions-dir", extensions, "--disable-telemetry", "--disable-update-check"],
      ...["--disable-getting-started-override", ...(isDriven ? flags : [])],
    ];
    this.server = spawn(process.execPath, arguments_, {
      env: { ...lab.environment, ...environment },
      stdio: "pipe",
    });
    const log = createWriteStream(path.join(lab.directory, `code-server-${this.port}.log`));
    this.server.stdout.pipe(log);
    this.server.stderr.pipe(log);
    await until("code-server answers", async () => (await fetch(`http://127.0.0.1:${this.port}/healthz`)).ok);
    this.browser = await chromium.launch({ executablePath: this.options.chromium ?? "/usr/bin/chromium", args: BROWSER });
    const context = await this.browser.newContext({ viewport: { width: 1280, height: 800 } });
    await context.grantPermissions(["clipboard-read", "clipboard-write"]);
    this.page = await context.newPage();
    return this;
  }

  /** Opens a folder. */
  async open(folder = this.options.lab.folder, query = "") {
    await this.page.goto(`http://127.0.0.1:${this.port}/?folder=${encodeURIComponent(folder)}${query}`);
    await this.page.locator(".monaco-workbench .part.statusbar").waitFor({ timeout: PATIENCE });
  }

  async close() {
    await this.browser?.close();
    if (this.server && this.server.exitCode === null) {
      this.server.kill("SIGTERM");
      const end = setTimeout(() => this.server.kill("SIGKILL"), 5_000);
      await once(this.server, "exit");
      clearTimeout(end);
    }
  }

  /** Keeps a picture of what a person sees now; `first` opens what is to be seen, and it is closed again. */
  async shot(name, first) {
    await first?.();
    this.shots += 1;
    const number = String(this.shots).padStart(2, "0");
    // What moves has come to rest by then.
    await new Promise((resolve) => setTimeout(resolve, 300));
    await this.page.screenshot({ path: path.join(this.options.pictures, `${number}-${name}.png`) });
    if (first) {
      await this.page.keyboard.press("Escape");
    }
  }

  /** Opens the menu of what can be done at the cursor; whoever sees none asks again. */
  async menu() {
    const first = this.page.locator(".action-widget .monaco-list-row").first();
    await until("the menu", async () => {
      await this.page.keyboard.press("Escape");
      await this.page.keyboard.press("Control+.");
      return first.waitFor({ timeout: 5_000 }).then(() => true, () => false);
    });
  }

  /** Chooses from that menu, by keys. */
  async fix(title) {
    await this.menu();
    const rows = this.page.locator(".action-widget .monaco-list-row.action");
    await this.sees(".action-widget .monaco-list-row.action", title);
    for (let presses = await rows.count(); 0 < presses; presses -= 1) {
      const chosen = this.page.locator(".action-widget .monaco-list-row.action.focused");
      if (title.test(((await chosen.count()) ? await chosen.first().innerText() : "").trim())) {
        await this.page.keyboard.press("Enter");
        await this.page.locator(".action-widget").first().waitFor({ state: "hidden" });
        return;
      }
      await this.page.keyboard.press("ArrowDown");
    }
    throw new Error(`cannot choose ${title}`);
  }

  /** The text of the page that is shown to be read. */
  async reads() {
    const texts = await Promise.all(
      this.page.frames().map((frame) => frame.locator("body[data-vscode-theme-kind]").innerText({ timeout: 500 }).catch(() => "")),
    );
    return texts.join("\n");
  }

  /** Waits for a text somewhere. */
  async sees(selector, text, timeout = PATIENCE) {
    const found = this.page.locator(selector, text === undefined ? {} : { hasText: text }).first();
    await found.waitFor({ timeout });
    return found;
  }

  /** Runs a command of the palette by its title. */
  async command(title) {
    await this.page.keyboard.press("F1");
    await this.types(`>${title}`, title);
  }

  /** Chooses an item of the quick pick that is open. */
  async picks(label) {
    await this.sees(".quick-input-list .monaco-list-row", label);
    await this.types(label, label);
  }

  /** Types into the quick pick, and takes the item of this name, by keys. */
  async types(text, label) {
    const input = this.page.locator(".quick-input-widget .quick-input-box input");
    await input.waitFor({ timeout: PATIENCE });
    await input.fill(text);
    await this.sees(".quick-input-list .monaco-list-row", label);
    const focused = this.page.locator(".quick-input-list .monaco-list-row.focused .label-name");
    for (let presses = 0; presses < 20; presses += 1) {
      if ((await focused.first().innerText()) === label) {
        await this.page.keyboard.press("Enter");
        return;
      }
      await this.page.keyboard.press("ArrowDown");
    }
    throw new Error(`cannot choose ${label}`);
  }

  /** Opens a file of the folder by its name. */
  async file(name) {
    await this.page.keyboard.press("Control+p");
    const input = this.page.locator(".quick-input-widget .quick-input-box input");
    await input.waitFor({ timeout: PATIENCE });
    await input.fill(name);
    await this.sees(".quick-input-list .monaco-list-row.focused", path.basename(name));
    if (name.includes("/")) {
      await this.sees(".quick-input-list .monaco-list-row.focused", path.dirname(name));
    }
    await this.page.keyboard.press("Enter");
    await this.sees(".tab.active", path.basename(name));
  }

  /** Puts the cursor on a line, from 1. */
  async line(number) {
    await this.page.keyboard.press("Control+g");
    const input = this.page.locator(".quick-input-widget .quick-input-box input");
    await input.waitFor({ timeout: PATIENCE });
    await input.fill(`:${number}`);
    await this.page.keyboard.press("Enter");
  }

  /** Presses a button of the dialog that is open; what the dialog says. */
  async answers(button, says) {
    const dialog = await this.sees(".monaco-dialog-box", says);
    const text = await dialog.innerText();
    await dialog.locator(".monaco-button", { hasText: button }).first().click();
    await dialog.waitFor({ state: "detached", timeout: PATIENCE });
    return text;
  }

  /** The text of our item in the status bar. */
  async status() {
    const items = this.page.locator('.statusbar-item[id*="selfHarness.status"]');
    return (await items.count()) === 0 ? "" : (await items.first().innerText()).trim();
  }
}

/** Waits until something holds that may fail meanwhile. */
export async function until(what, holds, timeout = PATIENCE) {
  const end = Date.now() + timeout;
  let last;
  for (;;) {
    try {
      last = await holds();
      if (last) {
        return last;
      }
    } catch (error) {
      last = error;
    }
    if (end < Date.now()) {
      throw new Error(`not within ${timeout / 1000} s: ${what}; last ${last}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** An empty directory. */
export function fresh(directory) {
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  return directory;
}
