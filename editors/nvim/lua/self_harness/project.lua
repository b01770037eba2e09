-- Which harness is meant: that of the buffer, of its page, or of the working directory. Knows nothing of servers.

local M = {}

M.MANIFEST = 'harness.toml'

--- The root of the harness that a buffer belongs to.
---@param buffer integer
---@return string?
function M.of(buffer)
  if vim.b[buffer].self_harness_root then
    return vim.b[buffer].self_harness_root
  end
  if vim.bo[buffer].buftype ~= '' or vim.api.nvim_buf_get_name(buffer) == '' then
    return nil
  end
  return vim.fs.root(buffer, M.MANIFEST)
end

--- The root that is meant here: of this buffer, else of the working directory.
---@return string?
function M.here()
  return M.of(vim.api.nvim_get_current_buf()) or vim.fs.root(vim.fn.getcwd(), M.MANIFEST)
end

--- The manifest of a root.
---@param root string
---@return string
function M.manifest(root)
  return vim.fs.joinpath(root, M.MANIFEST)
end

--- The loaded buffers of files of a root.
---@param root string
---@return integer[]
function M.buffers(root)
  return vim.tbl_filter(function(buffer)
    return vim.api.nvim_buf_is_loaded(buffer) and vim.bo[buffer].buftype == '' and M.of(buffer) == root
  end, vim.api.nvim_list_bufs())
end

--- Whether a file is open with a text that is not saved.
---@param file string
---@return boolean
function M.is_unsaved(file)
  return vim.iter(vim.api.nvim_list_bufs()):any(function(buffer)
    return vim.bo[buffer].modified and vim.fs.normalize(vim.api.nvim_buf_get_name(buffer)) == vim.fs.normalize(file)
  end)
end

return M
