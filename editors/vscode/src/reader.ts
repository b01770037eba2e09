// Shows pages of Markdown as they are meant to be read, in a panel whose links lead to other pages. The editor's own preview opens no
// links of ours. A panel loads nothing, and runs one script: that which says what was clicked.

import { randomBytes } from "node:crypto";
import * as vscode from "vscode";

/** The kind of our panels. */
const KIND = "selfHarness.page";

/** Colours and sizes of the editor. */
const STYLE = `
  body { font-family: var(--markdown-font-family, var(--vscode-font-family)); font-size: 14px; line-height: 1.6; padding: 8px 26px 26px; max-width: 960px; }
  h1, h2 { border-bottom: 1px solid var(--vscode-widget-border, rgba(128, 128, 128, 0.35)); padding-bottom: 0.25em; font-weight: 600; }
  code { font-family: var(--vscode-editor-font-family); font-size: 0.93em; }
  :not(pre) > code { background: var(--vscode-textCodeBlock-background); border-radius: 3px; padding: 1px 4px; }
  pre > code { background: none; padding: 0; }
  pre { background: var(--vscode-textCodeBlock-background); border-radius: 3px; padding: 12px; overflow-x: auto; }
  table { border-collapse: collapse; }
  th, td { border-bottom: 1px solid var(--vscode-widget-border, rgba(128, 128, 128, 0.35)); padding: 4px 12px 4px 0; text-align: left; vertical-align: top; }
  blockquote { border-left: 4px solid var(--vscode-textBlockQuote-border); margin: 0; padding: 0 1em; }
  a { color: var(--vscode-textLink-foreground); text-decoration: none; }
  a:hover, a:focus { text-decoration: underline; }
`;

const SCRIPT = `
  const editor = acquireVsCodeApi();
  function isAt(page) {
    // The editor keeps the place; another page is read from its beginning.
    if (editor.getState() !== page) {
      addEventListener("load", () => requestAnimationFrame(() => scrollTo(0, 0)));
    }
    editor.setState(page);
  }
  addEventListener("click", (event) => {
    const href = event.target.closest?.("a")?.getAttribute("href");
    if (href && !href.startsWith("#")) {
      event.preventDefault();
      editor.postMessage(href);
    }
  });
`;

/** A panel, and the pages that were in it before. */
interface Sheet {
  readonly panel: vscode.WebviewPanel;
  uri: vscode.Uri;
  readonly before: { readonly uri: vscode.Uri; readonly title: string }[];
}

/** Where the way back leads. */
const BACK = "back:";

/** Shows pages, one after the other in the same panel: tabs would pile up. A panel that is pinned keeps its page. */
export class Reader implements vscode.WebviewPanelSerializer<string>, vscode.Disposable {
  private readonly sheets = new Set<Sheet>();
  private readonly registered = vscode.window.registerWebviewPanelSerializer(KIND, this);

  /** `read` gives the text of a page, `follow` opens what a link leads to. */
  constructor(
    private readonly read: (uri: vscode.Uri) => Promise<string>,
    private readonly follow: (target: vscode.Uri) => Promise<void>,
  ) {}

  /** Shows a page: where it is open already, else in the panel that is not kept, else in a new one. */
  async show(uri: vscode.Uri, markdown: string): Promise<void> {
    const known = this.of(uri);
    const passing = known ?? [...this.sheets].find((sheet) => !isPinned(sheet.panel));
    if (passing && !known) {
      passing.before.push({ uri: passing.uri, title: passing.panel.title });
      passing.uri = uri;
    }
    const sheet = passing ?? this.adopt(uri, vscode.window.createWebviewPanel(KIND, "", vscode.ViewColumn.Active));
    sheet.panel.reveal();
    await this.fill(sheet, markdown);
  }

  /** A page has another text now. */
  async update(uri: vscode.Uri, markdown: string): Promise<void> {
    const sheet = this.of(uri);
    if (sheet) {
      await this.fill(sheet, markdown);
    }
  }

  /** The pages that are open. */
  get open(): vscode.Uri[] {
    return [...this.sheets].map(({ uri }) => uri);
  }

  /** A window that is opened again shows what it showed. */
  async deserializeWebviewPanel(panel: vscode.WebviewPanel, address: string | undefined): Promise<void> {
    if (address) {
      this.adopt(vscode.Uri.parse(address), panel);
    } else {
      panel.dispose();
    }
  }

  dispose(): void {
    this.registered.dispose();
  }

  private of(uri: vscode.Uri): Sheet | undefined {
    return [...this.sheets].find((sheet) => sheet.uri.toString() === uri.toString());
  }

  private adopt(uri: vscode.Uri, panel: vscode.WebviewPanel): Sheet {
    const sheet: Sheet = { panel, uri, before: [] };
    this.sheets.add(sheet);
    panel.webview.options = { enableScripts: true, localResourceRoots: [] };
    panel.onDidDispose(() => this.sheets.delete(sheet));
    panel.webview.onDidReceiveMessage((href: unknown) => {
      if (href === BACK) {
        void this.back(sheet);
      } else if (typeof href === "string") {
        void this.follow(vscode.Uri.parse(href));
      }
    });
    return sheet;
  }

  private async back(sheet: Sheet): Promise<void> {
    const last = sheet.before.pop();
    if (last) {
      sheet.uri = last.uri;
      // A page that is not there any more says so itself.
      await this.fill(sheet, await this.read(last.uri).catch((error: unknown) => `# ${last.title}\n\n${String(error)}`));
    }
  }

  private async fill({ panel, uri, before }: Sheet, markdown: string): Promise<void> {
    const nonce = randomBytes(16).toString("base64");
    const body = await vscode.commands.executeCommand<string>("markdown.api.render", markdown);
    const policy = `default-src 'none'; style-src 'nonce-${nonce}'; script-src 'nonce-${nonce}'`;
    const last = before.at(-1);
    panel.title = /^# +(.+)$/m.exec(markdown)?.[1]?.replaceAll("`", "") ?? uri.path.slice(1);
    panel.webview.html = `<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
${last ? `<nav><a href="${BACK}">← ${escaped(last.title)}</a></nav>` : ""}
${body}
<script nonce="${nonce}">${SCRIPT} isAt(${JSON.stringify(uri.toString())});</script>
</body>
</html>`;
  }
}

/** Whether the user wants to keep what a panel shows. */
function isPinned(panel: vscode.WebviewPanel): boolean {
  const tabs = vscode.window.tabGroups.all.flatMap((group) => group.tabs);
  // The editor puts something of its own before the kind of a panel.
  const ours = ({ input }: vscode.Tab): boolean => input instanceof vscode.TabInputWebview && input.viewType.endsWith(KIND);
  return tabs.some((tab) => tab.isPinned && ours(tab) && tab.label === panel.title);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll('"', "&quot;");
}
