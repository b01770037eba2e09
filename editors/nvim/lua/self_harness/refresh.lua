-- What Neovim before 0.12 leaves undone when a file is opened, or a server says that problems, hints or lenses are old: asks for them again.

local server = require('self_harness.server')

local M = {}

--- So long Neovim may take to ask itself.
local A_MOMENT = 200

--- Whether Neovim does it itself.
M.IS_BUILT_IN = vim.fn.has('nvim-0.12') == 1

---@param id integer
---@param each fun(client: vim.lsp.Client, buffer: integer)
local function buffers(id, each)
  local client = vim.lsp.get_client_by_id(id)
  for buffer in pairs(client and client.attached_buffers or {}) do
    if vim.api.nvim_buf_is_loaded(buffer) then
      each(client, buffer)
    end
  end
end

--- The problems of a file.
---@param client vim.lsp.Client
---@param buffer integer
local function problems(client, buffer)
  local params = { textDocument = vim.lsp.util.make_text_document_params(buffer) }
  server.call(client, 'request', 'textDocument/diagnostic', params, nil, buffer)
end

--- The hints of a file, if it shows them. Neovim draws a line anew when it asks, which may be before it has the answer; so it is told once
--- more when the new hints are there.
---@param client vim.lsp.Client
---@param buffer integer
local function hints(client, buffer)
  if not vim.lsp.inlay_hint.is_enabled({ bufnr = buffer }) then
    return
  end
  local last = { line = vim.api.nvim_buf_line_count(buffer), character = 0 }
  local params = {
    textDocument = vim.lsp.util.make_text_document_params(buffer),
    range = { start = { line = 0, character = 0 }, ['end'] = last },
  }
  server.call(client, 'request', 'textDocument/inlayHint', params, function(problem, result, context)
    vim.lsp.handlers['textDocument/inlayHint'](problem, result, context)
    vim.lsp.handlers['workspace/inlayHint/refresh'](nil, nil, { client_id = client.id })
  end, buffer)
end

--- The problems of each file of a client.
---@param id integer
function M.problems(id)
  buffers(id, problems)
end

--- The hints of each file that shows them.
---@param id integer
function M.hints(id)
  buffers(id, hints)
end

--- A file has a server now. Where another window was entered at the same moment, as if two files are opened side by side, Neovim asks for
--- nothing.
---@param id integer
---@param buffer integer
function M.attached(id, buffer)
  vim.defer_fn(function()
    local client = vim.lsp.get_client_by_id(id)
    if client and client.attached_buffers[buffer] and vim.api.nvim_buf_is_loaded(buffer) then
      problems(client, buffer)
      hints(client, buffer)
    end
  end, A_MOMENT)
end

--- The lenses of each file that has some: whoever wants them has asked for them once.
---@param id integer
function M.lenses(id)
  buffers(id, function(_, buffer)
    if 0 < #vim.lsp.codelens.get(buffer) then
      vim.lsp.codelens.refresh({ bufnr = buffer })
    end
  end)
end

return M
