-- What the server tells on its own: how things stand, what becomes of runs, that the tree is another. Passes it on as events and as the
-- text of the status line.

local project = require('self_harness.project')
local say = require('self_harness.say')
local server = require('self_harness.server')
local supervision = require('self_harness.supervision')

local M = {}

--- The text of the status line, by client.
---@type table<integer, string>
local texts = {}

--- How a run can end, and how loud that is said.
local ENDS = {
  result = say.note,
  empty = say.note,
  cancelled = say.note,
  undecided = say.warn,
  failed = say.fail,
}

---@param pattern string
---@param params table
local function event(pattern, params)
  vim.api.nvim_exec_autocmds('User', { pattern = pattern, modeline = false, data = params })
end

--- The text of the status line for a root.
---@param root string
---@return string
function M.of(root)
  local client = server.client(root)
  if client then
    return texts[client.id] or ''
  end
  if supervision.is_stopped(root) then
    return 'harness: server stopped'
  end
  local is_starting = vim.iter(server.clients()):any(function(other)
    return other.root_dir == root
  end)
  return is_starting and 'harness: starting' or ''
end

--- The same for a buffer; empty where there is no harness.
---@param buffer integer
---@return string
function M.status(buffer)
  local root = project.of(buffer)
  return root and M.of(root) or ''
end

--- How things stand is another way.
---@param params { message: string }
---@param client integer
function M.stands(params, client)
  texts[client] = params.message
  vim.cmd.redrawstatus({ bang = true })
end

--- Whether the end of a run is to be told: `notifications` is `off`, `whenHidden` (no page of ours is on the screen) or `always`.
---@param client vim.lsp.Client
---@return boolean
local function is_told(client)
  local setting = vim.tbl_get(client.settings, 'selfHarness', 'notifications') or 'whenHidden'
  if setting ~= 'whenHidden' then
    return setting == 'always'
  end
  return not vim.iter(vim.api.nvim_tabpage_list_wins(0)):any(function(window)
    return vim.b[vim.api.nvim_win_get_buf(window)].self_harness_root ~= nil
  end)
end

--- A run stands another way.
---@param params { runId: string, state: string, sentence: string }
---@param client integer
function M.is_another(params, client)
  event('SelfHarnessRun', params)
  local say_it = ENDS[params.state]
  local of = vim.lsp.get_client_by_id(client)
  if say_it and of and is_told(of) then
    say_it(params.sentence)
  end
end

--- The tree is another.
---@param params { root: string, revision: integer }
function M.tree_changed(params)
  event('SelfHarnessTree', params)
end

return M
