-- Every form in which something is shown, in Neovim with the plugin ($PROJECT with forms.json; $FORMS is the server that says them): what
-- Neovim has of each is the server's text, letter for letter. Ends Neovim with 0 only if all are.

local patience = 20000
local passed, failed = 0, 0
local project = vim.env.PROJECT
local forms = vim.json.decode(table.concat(vim.fn.readfile(project .. '/forms.json'), '\n'))

---@type string[]
local said = {}
vim.notify = function(text)
  table.insert(said, text)
end

--- Waits until what is shown is what there is to be shown.
local function shows(form, shown)
  local last
  local ok = vim.wait(patience, function()
    last = shown()
    return vim.deep_equal(last, forms[form])
  end, 50)
  passed = passed + (ok and 1 or 0)
  failed = failed + (ok and 0 or 1)
  local more = ok and (' (%d)'):format(#forms[form]) or (': %s instead of %s'):format(vim.inspect(last), vim.inspect(forms[form]))
  io.stdout:write(('%s: %s%s\n'):format(ok and 'passed' or 'FAILED', form, more))
end

--- The texts that are drawn into the buffer in a namespace, line by line.
local function drawn(pattern)
  local texts = {}
  for name, namespace in pairs(vim.api.nvim_get_namespaces()) do
    if name:find(pattern) then
      for _, mark in ipairs(vim.api.nvim_buf_get_extmarks(0, namespace, 0, -1, { details = true })) do
        for _, chunk in ipairs(mark[4].virt_text or {}) do
          texts[mark[2] + 1] = (texts[mark[2] + 1] or '') .. chunk[1]
        end
      end
    end
  end
  return vim.tbl_map(vim.trim, texts)
end

local function problems()
  shows('problem', function()
    local found = vim.diagnostic.get(0)
    table.sort(found, function(a, b)
      return a.lnum < b.lnum
    end)
    return vim.tbl_map(function(problem)
      return problem.message
    end, found)
  end)
end

local function hints()
  vim.lsp.inlay_hint.enable(true)
  shows('hint', function()
    vim.cmd.redraw()
    return drawn('inlay_?hint')
  end)
end

local function lenses()
  vim.lsp.codelens.refresh({ bufnr = 0 })
  shows('lens', function()
    return vim.tbl_map(function(lens)
      return lens.command.title
    end, vim.lsp.codelens.get(0))
  end)
end

local function hovers()
  local before = vim.api.nvim_get_current_win()
  shows('hover', function()
    local found = {}
    for line = 1, #forms.hover do
      vim.api.nvim_set_current_win(before)
      vim.api.nvim_win_set_cursor(before, { line, 0 })
      vim.lsp.buf.hover()
      local function float()
        return vim.iter(vim.api.nvim_list_wins()):find(function(window)
          return vim.api.nvim_win_get_config(window).relative ~= ''
        end)
      end
      vim.wait(patience, float, 10)
      local window = float()
      if window then
        local lines = vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(window), 0, -1, false)
        table.insert(found, table.concat(lines, '\n'))
        vim.api.nvim_win_close(window, true)
      end
    end
    return found
  end)
end

local function actions()
  shows('action', function()
    local offered
    vim.ui.select = function(items, options, done)
      offered = vim.tbl_map(options.format_item or tostring, items)
      done(nil)
    end
    vim.lsp.buf.code_action()
    vim.wait(patience, function()
      return offered ~= nil
    end, 10)
    -- Neovim adds the name of the server where there are several.
    return offered
  end)
end

local function decisions()
  shows('decision', function()
    local offered
    vim.ui.select = function(items, options, done)
      offered = vim.tbl_map(options.format_item, items)
      done(nil)
    end
    vim.cmd('SelfHarness preview')
    vim.wait(patience, function()
      return offered ~= nil
    end, 10)
    -- `P6 · ` comes before the decision.
    return vim.tbl_map(function(title)
      return (title:gsub('^P%d+ · ', ''))
    end, offered or {})
  end)
end

local function statuses()
  local told, lines = {}, {}
  for _ = 1, #forms.status do
    said = {}
    vim.cmd('SelfHarness status')
    vim.wait(patience, function()
      return 0 < #said
    end, 10)
    table.insert(told, (said[1]:gsub('^self%-harness: ', '')))
    table.insert(lines, require('self_harness').status())
  end
  shows('status', function()
    return told
  end)
  shows('status', function()
    return lines
  end)
end

local function ends()
  shows('progress', function()
    -- Neovim says how much it is, and of what.
    return { (vim.lsp.status():gsub('^.-evaluate: ', ''):gsub('^.-%%: ', '')) }
  end)
  said = {}
  for _ = 1, #forms['end'] do
    local before = #said
    vim.lsp.get_clients({ name = 'self_harness' })[1]:request('workspace/executeCommand', {
      command = 'self-harness.doctor',
      arguments = { { root = vim.uri_from_fname(project) } },
    }, function() end)
    vim.wait(patience, function()
      return before < #said
    end, 10)
  end
  shows('end', function()
    return vim.tbl_map(function(text)
      return (text:gsub('^self%-harness: ', ''))
    end, said)
  end)
end

local ok, message = xpcall(function()
  vim.o.swapfile = false
  vim.lsp.config('self_harness', { cmd = { 'python3', vim.env.FORMS, 'lsp' } })
  vim.lsp.enable('self_harness')
  vim.cmd.edit(project .. '/forms.md')
  vim.wait(patience, function()
    return 0 < #vim.lsp.get_clients({ name = 'self_harness' })
  end, 20)
  ends()
  for _, part in ipairs({ problems, hints, lenses, hovers, actions, decisions, statuses }) do
    part()
  end
end, debug.traceback)
if not ok then
  failed = failed + 1
  io.stdout:write(('FAILED: the test itself: %s\n'):format(message))
end
io.stdout:write(('%d passed, %d failed\n'):format(passed, failed))
vim.cmd(failed == 0 and 'qall!' or 'cquit 1')
