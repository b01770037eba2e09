-- What users and other plugins call.

local M = {}

--- Starts the server for files of harnesses from now on. From Neovim 0.11 on this is `vim.lsp.enable('self_harness')`.
function M.enable()
  if vim.lsp.enable then
    vim.lsp.enable('self_harness')
    return
  end
  local config = require('self_harness.config')
  local function attach(buffer)
    config.root_dir(buffer, function(root)
      vim.lsp.start(
        vim.tbl_extend('force', config, { name = 'self_harness', root_dir = root }),
        { bufnr = buffer }
      )
    end)
  end
  vim.api.nvim_create_autocmd('FileType', {
    group = vim.api.nvim_create_augroup('self_harness_enable', {}),
    callback = function(event)
      attach(event.buf)
    end,
  })
  vim.iter(vim.api.nvim_list_bufs()):filter(vim.api.nvim_buf_is_loaded):each(attach)
end

--- The text for the status line of a buffer, of this one if none is named: `held-in 15.5/24 · held-out 7/12`. Empty where there is no
--- harness.
---@param buffer integer?
---@return string
function M.status(buffer)
  return require('self_harness.runs').status(buffer or vim.api.nvim_get_current_buf())
end

return M
