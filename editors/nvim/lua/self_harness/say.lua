-- What the user is told. Every message begins with the name of the product.

local M = {}

---@param text string
function M.note(text)
  vim.notify('self-harness: ' .. text, vim.log.levels.INFO)
end

---@param text string
function M.warn(text)
  vim.notify('self-harness: ' .. text, vim.log.levels.WARN)
end

---@param text string
function M.fail(text)
  vim.notify('self-harness: ' .. text, vim.log.levels.ERROR)
end

return M
