-- The plugin in headless Neovim, at $PLUGIN, on the project $PROJECT with the server $SERVER, and with servers that do something wrong
-- ($FAKE). Ends Neovim with 0 only if everything was as it should be.

local patience = 20000
local passed, failed = 0, 0
local project = vim.env.PROJECT
local manifest = project .. '/harness.toml'

---@type string[]
local said = {}
vim.notify = function(text)
  table.insert(said, text)
end

local function check(what, ok, detail)
  if ok then
    passed = passed + 1
  else
    failed = failed + 1
  end
  local more = not ok and detail ~= nil and (': ' .. (type(detail) == 'string' and detail or vim.inspect(detail))) or ''
  io.stdout:write(('%s: %s%s\n'):format(ok and 'passed' or 'FAILED', what, more))
end

--- Waits until one of these texts is said.
local function is_said(...)
  local texts = { ... }
  return vim.wait(patience, function()
    return vim.iter(said):any(function(one)
      return vim.iter(texts):any(function(text)
        return one:find(text, 1, true) ~= nil
      end)
    end)
  end, 20)
end

local function eventually(what, holds, detail)
  local ok = vim.wait(patience, holds, 20)
  check(what, ok, not ok and detail and detail() or nil)
end

local server = require('self_harness.server')

local function status()
  return require('self_harness').status()
end

local function says(command)
  said = {}
  vim.cmd('SelfHarness ' .. command)
end

--- From now on this is the server.
local function becomes(cmd)
  said = {}
  for _, client in ipairs(server.clients()) do
    server.call(client, 'stop', true)
  end
  vim.wait(patience, function()
    return #server.clients() == 0
  end, 20)
  if vim.lsp.config then
    vim.lsp.config('self_harness', { cmd = cmd })
  else
    require('self_harness.config').cmd = cmd
  end
end

local function opens(file)
  vim.cmd('silent! %bwipeout!')
  vim.cmd.edit(file)
end

local function fake(wrong, starts)
  local cmd = { 'python3', vim.env.FAKE, wrong }
  if starts then
    table.insert(cmd, starts)
  end
  return cmd
end

local function text(buffer)
  return table.concat(vim.api.nvim_buf_get_lines(buffer or 0, 0, -1, false), '\n')
end

--- Everything that can go wrong with a server is said, with what to do about it.
local function trouble()
  becomes({ '/nowhere/self-harness', 'lsp' })
  require('self_harness').enable()
  opens(manifest)
  check('a missing server is told', is_said('the server is missing: `/nowhere/self-harness` cannot be started'), said)
  check('and what to do', is_said("vim.lsp.config('self_harness', { cmd ="), said)
  check('and the status line says it', status() == 'harness: server stopped', status())
  says('log')
  check('the log opens without a server', vim.api.nvim_buf_get_name(0):match('lsp%.log$') ~= nil, vim.api.nvim_buf_get_name(0))

  local starts = vim.fn.tempname()
  becomes(fake('crash', starts))
  opens(manifest)
  check('a server that dies is told', is_said('server stopped: it ended with code 101, 4 times in a row'), said)
  check('and that there is a restart', is_said('`:SelfHarness restart`'), said)
  check('after three restarts', #vim.fn.readfile(starts) == 4, vim.fn.readfile(starts))
  check('and the status line says it too', status() == 'harness: server stopped', status())
  says('status')
  check('a command then says so', is_said('server stopped'), said)
  check('and starts none', #vim.fn.readfile(starts) == 4)

  server.patience = 500
  becomes(fake('hang'))
  says('restart')
  check('a server that never answers is told', is_said('the server does not answer: it is ended and started again'), said)
  check('and given up after three restarts', is_said('server stopped: it did not answer within 0.5 s, 4 times in a row'), said)
  check('and that there is a restart too', is_said('`:SelfHarness restart`'), said)
  check('and the status line says it', status() == 'harness: server stopped', status())
  becomes(fake('mute'))
  says('restart')
  vim.wait(patience, function()
    return server.client(project) ~= nil
  end, 20)
  says('status')
  check('and one that stops to answer', is_said('the server does not answer'), said)
  server.patience = 10000

  -- Nobody asks it anything.
  local supervision = require('self_harness.supervision')
  supervision.beat = 400
  starts = vim.fn.tempname()
  becomes(fake('mute', starts))
  says('restart')
  check('one that falls silent while it works is told', is_said('the server does not answer: it is ended and started again'), said)
  check('and given up in the end', is_said('server stopped: it did not answer within 0.4 s, 4 times in a row'), said)
  check('after three restarts as well', #vim.fn.readfile(starts) == 4, vim.fn.readfile(starts))
  supervision.beat = 15000

  becomes(fake('other'))
  says('restart')
  check('a server of another release is told', is_said('the server is 9.9.9 and this plugin 0.1.0'), said)

  becomes({ vim.env.SERVER, 'lsp' })
  says('restart')
  eventually('a restart mends it', function()
    return status() == 'harness: checks only'
  end, status)
end

--- The command: its words are the server's, and they are completed.
local function command()
  local words = require('self_harness.words')
  local theirs = server.client(project).server_capabilities.executeCommandProvider.commands
  for _, name in ipairs(theirs) do
    local word = name:match('^self%-harness%.(.+)$')
    -- Two have a shorter way to say them.
    local ours = ({ evaluateTask = 'evaluate', fixAll = 'fix' })[word] or word
    if not words.find(ours) then
      check(('there is `:SelfHarness %s`'):format(ours), false)
    end
  end
  check('every command of the server has a word', 30 < #theirs, theirs)
  local function complete(line)
    return vim.fn.getcompletion('SelfHarness ' .. line, 'cmdline')
  end
  check('words are completed', vim.deep_equal(complete('re'), { 'rendered', 'report', 'restart', 'restore', 'resume', 'retry' }), complete('re'))
  check('held-in tasks are completed', 0 < #complete('evaluate '), complete('evaluate '))
  check('nothing is completed where nothing follows', #complete('smoke ') == 0, complete('smoke '))
  says('no-such-word')
  check('an unknown word is told', is_said('there is no `no-such-word`'), said)
  local maps = vim.tbl_filter(function(map)
    return (map.rhs or ''):find('SelfHarness', 1, true) and not map.lhs:find('^<Plug>')
  end, vim.api.nvim_get_keymap(''))
  check('no key is mapped', #maps == 0, maps)
  check('but there are names to map to', vim.fn.maparg('<Plug>(self-harness-menu)', 'n') ~= '')
end

--- Trust is about the text that was seen.
local function trust()
  -- A text that is open is another matter: it would have to be saved.
  opens(project .. '/prompts/system.md')
  local read = vim.secure.read
  local before = vim.fn.readfile(manifest, 'b')
  vim.secure.read = function(path)
    local seen = io.open(path):read('*a')
    vim.fn.writefile({ '', '# changed behind your back' }, path, 'a')
    return seen
  end
  vim.ui.select = function(items, _, done)
    done(items[1])
  end
  says('evaluate')
  -- The server may not have seen the change itself yet; then it says that its text is not the one on disk.
  local is_refused = is_said('has changed since you looked at it', 'trust is about the saved file')
  check('a manifest that changes after it was read is refused', is_refused, said)
  vim.fn.writefile(before, manifest, 'b')
  vim.secure.read = function()
    return nil
  end
  says('evaluate')
  check('one that is not trusted is not asked about', is_said('harness.toml is not trusted: nothing was started'), said)
  check('and nothing was run', vim.uv.fs_stat(project .. '/.self-harness/state.db') == nil)
  vim.secure.read = read
end

--- A question is always whole, however small the screen.
local function consent()
  local asked
  vim.ui.select = function(items, options, done)
    asked = options.prompt
    done(items[1])
  end
  local question = { verb = 'evaluate', title = 'Start evaluate?', lines = {}, buttons = { { id = 'start', title = 'Start' } } }
  for number = 1, 30 do
    table.insert(question.lines, ('line %d'):format(number))
  end
  local lines = vim.o.lines
  vim.o.lines = 12
  local answer
  require('self_harness.task').start(function()
    answer = require('self_harness.consent').ask(question)
  end)
  vim.wait(1000, function()
    return answer ~= nil
  end, 10)
  vim.o.lines = lines
  check('what does not fit into a float is in the question', asked:find('line 1\n', 1, true) and asked:find('line 30', 1, true), asked)
  check('and the answer is the button', answer and answer.button == 'start', answer)
end

--- Pages are buffers.
local function pages()
  opens(manifest)
  says('rule SH304')
  eventually('a page opens', function()
    return vim.api.nvim_buf_get_name(0):match('^selfharness://%x+/rule/SH304$') and text():find('# ', 1, true) ~= nil
  end, text)
  check('nobody can edit it', not vim.bo.modifiable and vim.bo.buftype == 'nofile')
  check('it is Markdown', vim.bo.filetype == 'markdown', vim.bo.filetype)
  check('it belongs to its project', status() ~= '', status())
  local page = vim.api.nvim_get_current_buf()
  vim.bo[page].modifiable = true
  vim.api.nvim_buf_set_lines(page, 0, -1, false, { 'see [the lineage](selfharness://00000000/lineage) and more' })
  vim.api.nvim_win_set_cursor(0, { 1, 6 })
  check('a link is found at its words', require('self_harness.pages').link('the') == 'selfharness://00000000/lineage')
  vim.api.nvim_win_set_cursor(0, { 1, 54 })
  check('and nowhere else', require('self_harness.pages').link('and') == 'and')
  vim.cmd.edit('selfharness://00000000/lineage')
  eventually('a page that nobody has says so', function()
    return text():find('no document of an open project', 1, true) ~= nil
  end, text)
  opens(vim.fn.tempname() .. '.md')
  vim.wait(300)
  check('a file of no harness has no server and no status', #vim.lsp.get_clients({ bufnr = 0 }) == 0 and status() == '')
end

--- `fix` does what has one possible result.
local function fix()
  opens(manifest)
  vim.cmd('%s/detector = "\\zs[^"]*\\ze"/loop-identical-fial/')
  eventually('a problem is shown while it is typed', function()
    return vim.iter(vim.diagnostic.get(0)):any(function(problem)
      return problem.code == 'SH304'
    end)
  end)
  says('fix')
  eventually('and mended by `:SelfHarness fix`', function()
    return text():find('loop-identical-fail"', 1, true) ~= nil
  end, text)
  vim.cmd('edit!')
end

--- `init` makes a harness, and opens it; nothing is written over.
local function create()
  local directory = vim.fn.tempname()
  says('init ' .. directory)
  eventually('`:SelfHarness init` opens what it has made', function()
    return vim.api.nvim_buf_get_name(0):find(directory .. '/harness.toml', 1, true) ~= nil and 10 < vim.fn.line('$')
  end, text)
  says('init ' .. directory)
  check('and makes nothing twice', is_said('harness.toml'), said)
  opens(manifest)
  says('weaknesses')
  check('no weaknesses is no empty list', is_said('weaknesses: not measured'), said)
end

--- `:checkhealth self_harness` and the help.
local function health()
  opens(manifest)
  vim.wait(patience, function()
    return status() ~= ''
  end, 20)
  vim.cmd('checkhealth self_harness')
  local report = text()
  for _, wanted in ipairs({
    'release 0.1.0, as this plugin',
    'agreed on utf-',
    'runs, pages, the tree',
    'this folder is untrusted',
    'bubblewrap',
    'trials can run on this machine',
  }) do
    check(('health tells `%s`'):format(wanted), report:find(wanted, 1, true) ~= nil, report)
  end
  vim.cmd('helptags ' .. vim.env.PLUGIN .. '/doc')
  vim.cmd('help :SelfHarness')
  check('there is help', vim.fn.expand('%:t') == 'self_harness.txt', vim.fn.expand('%'))
  for _, word in ipairs(require('self_harness.words').ALL) do
    local told = text():find(('\n    %s[ \n]'):format(word.word)) or text():find('`' .. word.word .. '`')
    if word.word ~= 'menu' and not told then
      check(('help tells of `%s`'):format(word.word), false)
    end
  end
end

local ok, message = xpcall(function()
  vim.o.swapfile = false
  vim.o.fixendofline = false
  for _, part in ipairs({ trouble, command, trust, consent, pages, fix, create, health }) do
    part()
  end
end, debug.traceback)
if not ok then
  check('the test itself', false, message)
end
io.stdout:write(('%d passed, %d failed\n'):format(passed, failed))
vim.cmd(failed == 0 and 'qall!' or 'cquit 1')
