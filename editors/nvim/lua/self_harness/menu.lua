-- `:SelfHarness` alone: what can be done now, the next step first. Works without a server.

local project = require('self_harness.project')
local server = require('self_harness.server')
local task = require('self_harness.task')
local words = require('self_harness.words')

local M = {}

--- What needs no harness, or makes one.
local WITHOUT_HARNESS = { 'init', 'demo', 'budget', 'restart', 'log' }

--- What works while the server is down.
local WITHOUT_SERVER = { 'budget', 'restart', 'log' }

--- What is there only if something in the tree can be done so.
local BY_TREE = { 'propose', 'validate', 'cancel', 'resume', 'retry', 'discard', 'preview', 'apply', 'dismiss', 'restore' }

--- What stands there under another name: the title of the menu, the list of weaknesses, and what makes another harness.
local ELSEWHERE = { 'menu', 'status', 'mine', 'init', 'demo' }

--- What can be done with anything in the tree. Waits.
---@param root string
---@return table<string, true>
local function doable(root)
  local found = {}
  for _, parent in ipairs({ false, 'runs', 'proposals' }) do
    local params = { root = vim.uri_from_fname(root), parent = parent or nil }
    local tree = server.request(root, 'selfHarness/tree', params)
    for _, item in ipairs(tree and tree.items or {}) do
      for _, action in ipairs(item.actions) do
        found[action] = true
      end
    end
  end
  return found
end

--- What comes next, as the manifest's second lens says it. Waits.
---@param root string
---@return lsp.Command?
local function next_step(root)
  local document = { uri = vim.uri_from_fname(project.manifest(root)) }
  local lenses = server.request(root, 'textDocument/codeLens', { textDocument = document })
  return lenses and vim.tbl_get(lenses, 2, 'command') or nil
end

--- The words that mean something now. Waits.
---@param root string?
---@return self_harness.Word[]
local function choices(root)
  if not root then
    return vim.tbl_map(words.find, WITHOUT_HARNESS)
  end
  if not server.client(root) then
    return vim.tbl_map(words.find, WITHOUT_SERVER)
  end
  local found = doable(root)
  return vim.tbl_filter(function(word)
    local is_there = not vim.list_contains(BY_TREE, word.word) or found[word.word]
    return is_there and not vim.list_contains(ELSEWHERE, word.word)
  end, words.ALL)
end

--- Asks what is to be done, and does it. Waits.
---@param root string?
function M.open(root)
  local items = choices(root)
  local step = root and server.client(root) and next_step(root)
  if step then
    table.insert(items, 1, { about = step.title, command = step })
  end
  local status = root and require('self_harness.runs').of(root) or ''
  local item = task.choose(items, {
    prompt = status ~= '' and status or 'harness',
    kind = 'self_harness_menu',
    format_item = function(item)
      return item.about
    end,
  })
  if item and item.command then
    require('self_harness.command').perform(root, item.command)
  elseif item then
    require('self_harness.command').run({ item.word })
  end
end

return M
