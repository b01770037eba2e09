-- Drives Neovim through the steps of $STEPS: sees a problem, applies its quick fix, renames a symbol, saves everything.
-- What the files then hold is compared outside. Ends Neovim with 0 only if every step passed.

local steps = vim.json.decode(table.concat(vim.fn.readfile(vim.env.STEPS), '\n'))
local problem, fix, rename = steps.problem, steps.fix, steps.rename
local patience = 20000
local passed, failed = 0, 0
-- How the server's process ended.
local ended

local function say(line)
  io.stdout:write(line .. '\n')
end

local function check(what, ok, detail)
  if ok then
    passed = passed + 1
    say('passed: ' .. what)
  else
    failed = failed + 1
    say('FAILED: ' .. what .. (detail and (': ' .. detail) or ''))
  end
  return ok
end

local function finish()
  for _, client in ipairs(vim.lsp.get_clients()) do
    client:stop()
  end
  vim.wait(5000, function()
    return ended ~= nil
  end, 20)
  check('the server ends with 0 when it is asked to', ended == 0, 'ended with ' .. tostring(ended))
  say(('%d passed, %d failed'):format(passed, failed))
  vim.cmd(failed == 0 and 'qall!' or 'cquit 1')
end

local function messages(buffer)
  local lines = {}
  for _, diagnostic in ipairs(vim.diagnostic.get(buffer)) do
    lines[#lines + 1] = ('%d:%d %s'):format(diagnostic.lnum, diagnostic.col, diagnostic.message)
  end
  return table.concat(lines, ' | ')
end

local function the_problem(buffer)
  for _, diagnostic in ipairs(vim.diagnostic.get(buffer)) do
    if
      diagnostic.lnum == problem.line
      and diagnostic.col == problem.column
      and diagnostic.message:find(problem.message, 1, true)
    then
      return diagnostic
    end
  end
end

-- What a person sees: it is underlined, or faded if it is unnecessary, from exactly this column on.
local function is_drawn(buffer, line, column)
  local marks = vim.api.nvim_buf_get_extmarks(buffer, -1, { line, 0 }, { line, -1 }, { details = true })
  for _, mark in ipairs(marks) do
    local group = tostring(mark[4].hl_group)
    if mark[3] == column and (group:match('^DiagnosticUnderline') or group == 'DiagnosticUnnecessary') then
      return true
    end
  end
  return false
end

local function text(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), '\n')
end

local function run()
  vim.opt.swapfile = false
  -- Files keep the end that they have.
  vim.opt.fixendofline = false
  vim.lsp.config('under_test', {
    cmd = steps.server,
    root_dir = function(buffer, on_dir)
      local root = vim.fs.root(buffer, steps.marker)
      if root then
        on_dir(root)
      end
    end,
    on_exit = function(code)
      ended = code
    end,
  })
  vim.lsp.enable('under_test')

  vim.cmd.edit(vim.fn.fnameescape(problem.path))
  local buffer = vim.api.nvim_get_current_buf()
  local attached = vim.wait(patience, function()
    local client = vim.lsp.get_clients({ bufnr = buffer, name = 'under_test' })[1]
    return client ~= nil and client.initialized
  end, 10)
  if not check('the server attaches', attached) then
    return
  end
  local client = vim.lsp.get_clients({ bufnr = buffer })[1]
  check('it belongs to the root of the workspace', client.root_dir == steps.root, tostring(client.root_dir))

  vim.wait(patience, function()
    return the_problem(buffer) ~= nil
  end, 10)
  check('the problem is shown', the_problem(buffer) ~= nil, messages(buffer))
  check('the problem is drawn', is_drawn(buffer, problem.line, problem.column))

  if fix then
    vim.api.nvim_win_set_cursor(0, { problem.line + 1, problem.column })
    local offered = {}
    vim.lsp.buf.code_action({
      apply = true,
      context = { only = { 'quickfix' }, diagnostics = nil },
      filter = function(action)
        offered[#offered + 1] = action.title
        return action.title == fix.title
      end,
    })
    vim.wait(patience, function()
      return vim.bo[buffer].modified
    end, 10)
    check('the quick fix is offered and applied', vim.bo[buffer].modified, table.concat(offered, ' | '))
    local gone = vim.wait(patience, function()
      return the_problem(buffer) == nil
    end, 10)
    check('the problem is gone', gone, messages(buffer))
    if fix.leaves_none then
      vim.wait(1000, function()
        return #vim.diagnostic.get(buffer) ~= 0
      end, 50)
      check('nothing else is wrong', #vim.diagnostic.get(buffer) == 0, messages(buffer))
    end
    vim.cmd('silent wall')
    local before = text(buffer)
    vim.cmd('silent undo')
    check('undo brings the problem back', text(buffer) ~= before)
    local back = vim.wait(patience, function()
      return the_problem(buffer) ~= nil
    end, 10)
    check('and it is shown again', back, messages(buffer))
    vim.cmd('silent redo')
    vim.cmd('silent wall')
  end

  if rename then
    vim.cmd.edit(vim.fn.fnameescape(rename.path))
    local at = vim.api.nvim_get_current_buf()
    vim.wait(patience, function()
      return #vim.lsp.get_clients({ bufnr = at, name = 'under_test' }) == 1
    end, 10)
    vim.api.nvim_win_set_cursor(0, { rename.line + 1, rename.column })
    vim.lsp.buf.rename(rename.to)
    -- The fix may have changed this very file, so any change of the name counts.
    local changed = vim.wait(patience, function()
      return vim.api.nvim_buf_get_lines(at, rename.line, rename.line + 1, false)[1]:sub(rename.column + 1):find(rename.to, 1, true) == 1
    end, 10)
    check('the symbol is renamed', changed)
    vim.cmd('silent wall')
  end
end

local ok, message = xpcall(run, debug.traceback)
if not ok then
  check('the test itself', false, message)
end
finish()
