-- Proposals: which one is meant, and the comparison of before and after in a tab with `diffthis`. Edits nothing.

local say = require('self_harness.say')
local server = require('self_harness.server')
local task = require('self_harness.task')

local M = {}

--- The proposals that are named, else the one that a person chooses among those with which this can be done. Waits.
---@param root string
---@param word string
---@param named string[]
---@return string[]
local function meant(root, word, named)
  if 0 < #named then
    return named
  end
  local params = { root = vim.uri_from_fname(root), parent = 'proposals' }
  local tree = server.request(root, 'selfHarness/tree', params)
  if not tree then
    return {}
  end
  local items = vim.tbl_filter(function(item)
    return vim.list_contains(item.actions, word)
  end, tree.items)
  if #items == 0 then
    say.warn(('there is no proposal to %s'):format(word))
    return {}
  end
  local item = task.choose(items, {
    prompt = ('%s which proposal?'):format(word),
    kind = 'self_harness_proposal',
    format_item = function(item)
      return ('%s · %s'):format(item.text, item.detail)
    end,
  })
  return item and { (item.id:match('P%d+$')) } or {}
end

--- Has the server do something with a proposal. Waits.
---@param root string
---@param word string
---@param named string[]
function M.with(root, word, named)
  local proposals = meant(root, word, named)
  if 0 < #proposals then
    server.command(root, word, { proposals = proposals })
  end
end

--- Opens a tab for each file that a proposal changes, before and after side by side. Waits.
---@param root string
---@param named string[]
function M.preview(root, named)
  for _, proposal in ipairs(meant(root, 'preview', named)) do
    local params = { root = vim.uri_from_fname(root), proposal = proposal }
    local answer = server.request(root, 'selfHarness/compare', params)
    if answer and #answer.pairs == 0 then
      say.fail(('there is no `%s`'):format(proposal))
    end
    for _, pair in ipairs(answer and answer.pairs or {}) do
      vim.cmd.tabedit(vim.fn.fnameescape(pair.left))
      vim.cmd.diffthis()
      vim.cmd('rightbelow vsplit ' .. vim.fn.fnameescape(pair.right))
      vim.cmd.diffthis()
    end
  end
end

return M
