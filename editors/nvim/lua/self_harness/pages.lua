-- Pages of the server as buffers: `selfharness://…` is read when somebody edits it, and again when the server says that it is another.
-- None of them can be edited.

local say = require('self_harness.say')
local server = require('self_harness.server')
local task = require('self_harness.task')

local M = {}

--- The whole text of a page, part by part; nil and why if there is none. Waits.
---@param client vim.lsp.Client
---@param uri string
---@return { text: string, language: string }?
---@return string? problem
local function fetch(client, uri)
  local texts, offset, language = {}, 0, nil
  repeat
    local problem, part = task.wait(function(done)
      local params = { uri = uri, offset = offset }
      if not server.call(client, 'request', 'selfHarness/content', params, done) then
        done({ message = 'the server has stopped' })
      end
    end)
    if problem then
      return nil, problem.message
    end
    part = server.plain(part)
    table.insert(texts, part.text)
    language, offset = part.language, part.next
  until not offset
  return { text = table.concat(texts), language = language }
end

--- The page of an address, from whichever server has it. Waits.
---@param uri string
---@return { text: string, language: string }?
---@return vim.lsp.Client|string client_or_problem
local function find(uri)
  local why = 'no server has this page: open a file of its harness first'
  for _, client in ipairs(server.clients()) do
    if client.initialized then
      local page, problem = fetch(client, uri)
      if page then
        return page, client
      end
      why = problem or why
    end
  end
  return nil, why
end

--- Puts lines into a buffer that nobody else can edit. Cursors stay where they are, as far as there is such a line.
---@param buffer integer
---@param lines string[]
local function put(buffer, lines)
  if vim.deep_equal(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), lines) then
    return
  end
  vim.bo[buffer].modifiable = true
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].modified = false
end

--- Reads the page of a buffer. Waits.
---@param buffer integer
local function load(buffer)
  local page, client = find(vim.api.nvim_buf_get_name(buffer))
  if not vim.api.nvim_buf_is_valid(buffer) then
    return
  end
  if not page then
    vim.b[buffer].self_harness_missing = true
    put(buffer, { client --[[@as string]] })
    return
  end
  vim.b[buffer].self_harness_missing = nil
  vim.b[buffer].self_harness_root = client.root_dir
  -- So that `gF` finds `prompts/system.md:15`.
  vim.bo[buffer].path = client.root_dir
  put(buffer, vim.split((page.text:gsub('\n$', '')), '\n'))
  if vim.bo[buffer].filetype ~= page.language then
    vim.bo[buffer].filetype = page.language
  end
end

--- Makes a buffer a page and reads it; the autocommand of `selfharness://` calls this.
---@param buffer integer
function M.read(buffer)
  vim.bo[buffer].buftype = 'nofile'
  vim.bo[buffer].swapfile = false
  vim.bo[buffer].modifiable = false
  vim.bo[buffer].includeexpr = "v:lua.require'self_harness.pages'.link(v:fname)"
  task.start(function()
    load(buffer)
  end)
end

---@return integer[]
local function all()
  return vim.tbl_filter(function(buffer)
    return vim.api.nvim_buf_is_loaded(buffer) and vim.startswith(vim.api.nvim_buf_get_name(buffer), 'selfharness://')
  end, vim.api.nvim_list_bufs())
end

--- The server says that a page is another.
---@param uri string
function M.changed(uri)
  for _, buffer in ipairs(all()) do
    if vim.api.nvim_buf_get_name(buffer) == uri then
      M.read(buffer)
    end
  end
end

--- A server has started: pages that nobody had are read again, and those of its root.
---@param client vim.lsp.Client
function M.reload(client)
  for _, buffer in ipairs(all()) do
    if vim.b[buffer].self_harness_missing or vim.b[buffer].self_harness_root == client.root_dir then
      M.read(buffer)
    end
  end
end

--- Shows a page in this window.
---@param uri string
function M.show(uri)
  vim.cmd.edit(vim.fn.fnameescape(uri))
end

--- Where the link under the cursor leads; the name itself if there is none (`:help includeexpr`).
---@param name string
---@return string
function M.link(name)
  local line, column = vim.api.nvim_get_current_line(), vim.api.nvim_win_get_cursor(0)[2] + 1
  local from = 1
  while true do
    local first, last, target = line:find('%[[^%]]*%]%(([^)%s]+)%)', from)
    if not first then
      return name
    end
    if first <= column and column <= last then
      return target
    end
    from = last + 1
  end
end

--- Follows the link under the cursor.
function M.follow()
  local target = M.link('')
  if vim.startswith(target, 'selfharness://') then
    M.show(target)
  else
    say.warn('no link of a page is under the cursor')
  end
end

return M
