-- What is there before anything is used: the command, pages of `selfharness://`, and names for maps. Starts nothing.

if vim.g.loaded_self_harness then
  return
end
vim.g.loaded_self_harness = true

if vim.fn.has('nvim-0.10') == 0 then
  vim.notify('self-harness needs Neovim 0.10 or newer', vim.log.levels.ERROR)
  return
end

vim.api.nvim_create_user_command('SelfHarness', function(given)
  require('self_harness.command').run(given.fargs)
end, {
  nargs = '*',
  desc = 'Checks, measures and improves an agent harness',
  complete = function(_, line, position)
    return require('self_harness.completion').complete(line:sub(1, position))
  end,
})

local group = vim.api.nvim_create_augroup('self_harness', {})

vim.api.nvim_create_autocmd('BufReadCmd', {
  group = group,
  pattern = 'selfharness://*',
  desc = 'Reads a page from the server',
  callback = function(event)
    require('self_harness.pages').read(event.buf)
  end,
})

vim.api.nvim_create_autocmd('BufReadPost', {
  group = group,
  desc = 'Says so if the server is missing',
  callback = function(event)
    require('self_harness.supervision').opened(event.buf)
  end,
})

vim.api.nvim_create_autocmd('LspAttach', {
  group = group,
  desc = 'Asks for what Neovim may have missed',
  callback = function(event)
    local client = vim.lsp.get_client_by_id(event.data.client_id)
    if client and client.name == 'self_harness' and vim.fn.has('nvim-0.12') == 0 then
      require('self_harness.refresh').attached(client.id, event.buf)
    end
  end,
})

for _, word in ipairs({ 'menu', 'evaluate', 'cancel', 'weaknesses', 'trace', 'preview', 'report', 'lineage' }) do
  vim.keymap.set('n', ('<Plug>(self-harness-%s)'):format(word), ('<Cmd>SelfHarness %s<CR>'):format(word))
end
vim.keymap.set('n', '<Plug>(self-harness-open)', function()
  require('self_harness.pages').follow()
end)
