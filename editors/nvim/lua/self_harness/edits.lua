-- Keeps edits exact in Neovim before 0.12, which adds an empty line when something is inserted behind the last line of a file: such an
-- insertion is made before the last line break instead. The bytes are the same.

local M = {}

--- Whether Neovim gets it right itself.
M.IS_BUILT_IN = vim.fn.has('nvim-0.12') == 1

--- What is answered with edits.
local ANSWERS = {
  ['textDocument/codeAction'] = true,
  ['codeAction/resolve'] = true,
  ['textDocument/rename'] = true,
}

---@param uri string
---@param edits lsp.TextEdit[]
local function move(uri, edits)
  local buffer = vim.uri_to_bufnr(uri)
  vim.fn.bufload(buffer)
  local last = vim.api.nvim_buf_line_count(buffer) - 1
  for _, edit in ipairs(edits) do
    if last < edit.range.start.line and vim.bo[buffer].endofline and vim.endswith(edit.newText, '\n') then
      -- A column behind the end of a line is its end.
      local place = { line = last, character = #vim.api.nvim_buf_get_lines(buffer, last, last + 1, true)[1] }
      edit.range = { start = place, ['end'] = place }
      edit.newText = '\n' .. edit.newText:gsub('\r?\n$', '')
    end
  end
end

--- Moves what is behind the last line, in place.
---@param edit lsp.WorkspaceEdit
function M.mend(edit)
  for uri, edits in pairs(edit.changes or {}) do
    move(uri, edits)
  end
  for _, change in ipairs(edit.documentChanges or {}) do
    if change.edits then
      move(change.textDocument.uri, change.edits)
    end
  end
end

--- Has all answers of a server mended.
---@param client vim.lsp.Client
function M.watch(client)
  local request = client.rpc.request
  client.rpc.request = function(method, params, callback, ...)
    if not ANSWERS[method] then
      return request(method, params, callback, ...)
    end
    return request(method, params, function(problem, answer)
      for _, one in ipairs(vim.islist(answer) and answer or { answer }) do
        M.mend(one.edit or one)
      end
      callback(problem, answer)
    end, ...)
  end
end

return M
