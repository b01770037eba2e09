-- The configuration that `vim.lsp.enable('self_harness')` finds; `vim.lsp.config('self_harness', {…})` changes it.

return require('self_harness.config')
