-- Weaknesses in the quickfix list, and the traces that show them. Held-in only: the server tells nothing else.

local say = require('self_harness.say')
local server = require('self_harness.server')

local M = {}

--- The items of a level of the tree. Waits.
---@param root string
---@param parent string?
---@return table[]?
local function tree(root, parent)
  local answer = server.request(root, 'selfHarness/tree', { root = vim.uri_from_fname(root), parent = parent })
  return answer and answer.items
end

--- An entry of the quickfix list, with its page.
---@param of table
---@param text string
---@param encoding string
---@return table
local function entry(of, text, encoding)
  local item = { text = text, type = 'W', user_data = { uri = of.uri } }
  if of.location then
    local at = vim.lsp.util.locations_to_items({ of.location }, encoding)[1]
    item.filename, item.lnum, item.col = at.filename, at.lnum, at.col
  end
  return item
end

--- Fills the quickfix list with each place of each weakness, the most promising weakness first. Waits.
---@param root string
function M.list(root)
  local weaknesses = tree(root, 'weaknesses')
  if not weaknesses then
    return
  end
  if #weaknesses == 0 then
    -- Not measured, nothing failed, and hidden are three different things.
    local group = vim.iter(tree(root) or {}):find(function(item)
      return item.id == 'weaknesses'
    end)
    say.note('weaknesses: ' .. (group and group.detail or 'none'))
    return
  end
  local client = server.ready(root)
  if not client then
    return
  end
  local items = {}
  for _, weakness in ipairs(weaknesses) do
    local title = ('%s: %s'):format(weakness.detail, weakness.text)
    local places = weakness.hasChildren and tree(root, weakness.id) or {}
    for _, place in ipairs(places) do
      table.insert(items, entry(place, ('%s (%s)'):format(title, place.detail), client.offset_encoding))
    end
    if #places == 0 then
      table.insert(items, entry(weakness, title, client.offset_encoding))
    end
  end
  vim.fn.setqflist({}, ' ', { title = 'self-harness weaknesses', items = items })
  vim.cmd('botright copen')
end

--- The page of the weakness that is meant here: of an entry of the quickfix list, else of a problem on the line of the cursor, else of the
--- entry that was gone to last.
---@param root string
---@return string? uri
local function weakness(root)
  local list = vim.fn.getqflist({ items = true, idx = 0, title = true })
  local is_ours = list.title == 'self-harness weaknesses'
  local line = vim.api.nvim_win_get_cursor(0)[1]
  if vim.bo.buftype == 'quickfix' then
    return is_ours and vim.tbl_get(list.items, line, 'user_data', 'uri') or nil
  end
  for _, problem in ipairs(vim.diagnostic.get(0, { lnum = line - 1 })) do
    local name = problem.code == 'SH802' and problem.message:match('%((C%-%x+)%)')
    if name then
      return vim.iter(tree(root, 'weaknesses') or {}):map(function(item)
        return vim.endswith(item.uri, '/' .. name) and item.uri or nil
      end):next()
    end
  end
  return is_ours and vim.tbl_get(list.items, list.idx, 'user_data', 'uri') or nil
end

--- Shows a trace: `trace [RUN] TASK [REPEAT]`, or the first one of the weakness that is meant here. Waits.
---@param root string
---@param arguments string[]
function M.trace(root, arguments)
  if 0 < #arguments then
    local run = arguments[1]:match('^r%-%d+$')
    local rest = run and vim.list_slice(arguments, 2) or arguments
    server.command(root, 'trace', { run = run, tasks = { rest[1] }, ['repeat'] = tonumber(rest[2]) })
    return
  end
  local uri = weakness(root)
  local page = uri and server.request(root, 'selfHarness/content', { uri = uri })
  if not uri then
    say.warn('no weakness on this line: name a task, as `:SelfHarness trace TASK`')
    return
  end
  local trace = page and page.text:match('%]%((selfharness://[^)%s]*/trace/[^)%s]+)%)')
  if trace then
    if vim.bo.buftype == 'quickfix' then
      vim.cmd('wincmd p')
    end
    require('self_harness.pages').show(trace)
  elseif page then
    say.warn('this weakness has no trace that may be shown')
  end
end

return M
