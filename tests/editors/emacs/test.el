;;; test.el --- drives Eglot through the steps of $STEPS  -*- lexical-binding: t -*-

;; Sees a problem, applies its quick fix, renames a symbol, saves everything.  What the files then hold is compared
;; outside.  Ends Emacs with 0 only if every step passed.  Batch mode has no idle timers: what Eglot does when a person
;; pauses is asked for here.

(require 'eglot)
(require 'flymake)
(require 'project)

(defvar test-steps
  (with-temp-buffer
    (insert-file-contents (getenv "STEPS"))
    (json-parse-buffer :object-type 'plist :array-type 'list)))
(defvar test-passed 0)
(defvar test-failed 0)
(defvar test-patience 20)

(defun test-get (&rest keys)
  "The value below KEYS in the steps."
  (let ((value test-steps))
    (dolist (key keys value)
      (setq value (plist-get value key)))))

(defun test-say (format &rest arguments)
  (princ (concat (apply #'format format arguments) "\n")))

(defun test-check (what ok &optional detail)
  "Count WHAT as passed if OK; DETAIL explains a failure."
  (if ok
      (progn (setq test-passed (1+ test-passed)) (test-say "passed: %s" what))
    (setq test-failed (1+ test-failed))
    (test-say "FAILED: %s%s" what (if detail (format ": %s" detail) "")))
  ok)

(defun test-wait (ready)
  "Let processes and timers work until READY returns non-nil, and return that."
  (let ((end (time-add nil test-patience)) (value nil))
    (while (and (not (setq value (funcall ready))) (time-less-p nil end))
      (accept-process-output nil 0.02))
    value))

(defun test-goto (step)
  (goto-char (point-min))
  (forward-line (plist-get step :line))
  (goto-char (byte-to-position (+ (position-bytes (point)) (plist-get step :column)))))

(defun test-problem ()
  "The diagnostic that is waited for, as an overlay shows it."
  (let ((problem (test-get :problem)))
    (save-excursion
      (test-goto problem)
      (let ((start (point)))
        (seq-find (lambda (diagnostic)
                    (and (= (flymake-diagnostic-beg diagnostic) start)
                         (string-search (plist-get problem :message) (flymake-diagnostic-text diagnostic))))
                  (flymake-diagnostics start (1+ start)))))))

(defun test-messages ()
  (mapconcat (lambda (diagnostic) (format "%d %s" (flymake-diagnostic-beg diagnostic) (flymake-diagnostic-text diagnostic)))
             (flymake-diagnostics) " | "))

(defun test-hint ()
  "The text of a hint of Eglot that tells a size, as it is drawn."
  (seq-some (lambda (overlay)
              (let ((text (or (overlay-get overlay 'before-string) (overlay-get overlay 'after-string))))
                (and (overlay-get overlay 'eglot--inlay-hint) text (string-match-p "≈[0-9]+ tokens" text))))
            (overlays-in (point-min) (point-max))))

(defun test-refresh ()
  "What a pause in typing does."
  (eglot--signal-textDocument/didChange)
  (flymake-start))

(defun test-run ()
  (setq eglot-confirm-server-edits nil
        eglot-sync-connect test-patience
        eglot-connect-timeout test-patience
        create-lockfiles nil
        make-backup-files nil
        auto-save-default nil
        require-final-newline nil
        mode-require-final-newline nil
        project-vc-extra-root-markers (list (test-get :marker)))
  (setq-default eglot-workspace-configuration '(:selfHarness (:inlayHints (:tokens t))))
  (add-to-list 'auto-mode-alist '("\\.md\\'" . text-mode))
  (add-to-list 'eglot-server-programs
               (cons '(conf-toml-mode text-mode python-mode js-json-mode) (test-get :server)))
  (find-file (test-get :problem :path))
  (apply #'eglot (eglot--guess-contact))
  (unless (test-check "the server attaches" (test-wait #'eglot-managed-p))
    (error "no server"))
  (test-check "it belongs to the root of the workspace"
              (file-equal-p (project-root (eglot--project (eglot-current-server))) (test-get :root))
              (project-root (eglot--project (eglot-current-server))))
  (flymake-start)
  (test-check "the problem is shown" (test-wait #'test-problem) (test-messages))

  ;; The size of a surface is a hint at its first line; a window is what Eglot asks hints for.
  (set-window-buffer (selected-window) (current-buffer))
  (eglot-inlay-hints-mode 1)
  (eglot--update-hints-1 (point-min) (point-max))
  (test-check "hints are shown" (test-wait #'test-hint) (format "%S" (overlays-in (point-min) (point-max))))

  (when (test-get :fix)
    (test-goto (test-get :problem))
    (let* ((actions (eglot-code-actions (point) (1+ (point)) "quickfix"))
           (action (seq-find (lambda (action) (equal (plist-get action :title) (test-get :fix :title))) actions)))
      (when (test-check "the quick fix is offered" action
                        (mapconcat (lambda (action) (plist-get action :title)) actions " | "))
        (eglot-execute (eglot-current-server) action)
        (test-check "the quick fix is applied" (test-wait #'buffer-modified-p))))
    (test-refresh)
    (test-check "the problem is gone" (test-wait (lambda () (not (test-problem)))) (test-messages))
    (when (test-get :fix :leaves_none)
      (test-check "nothing else is wrong" (null (flymake-diagnostics)) (test-messages)))
    (save-some-buffers t))

  (when (test-get :rename)
    (find-file (test-get :rename :path))
    (unless (eglot-managed-p)
      (apply #'eglot (eglot--guess-contact)))
    (test-check "the file of the symbol is managed too" (test-wait #'eglot-managed-p))
    (test-goto (test-get :rename))
    (eglot-rename (test-get :rename :to))
    (test-goto (test-get :rename))
    (test-check "the symbol is renamed" (looking-at-p (regexp-quote (test-get :rename :to)))
                (buffer-substring (line-beginning-position) (line-end-position)))
    (save-some-buffers t))

  ;; Eglot kills the process a moment after asking it to end, so how it ended says nothing.
  (eglot-shutdown (eglot-current-server) nil 5))

(condition-case problem
    (test-run)
  (error (test-check "the test itself" nil (error-message-string problem))))
(test-say "%d passed, %d failed" test-passed test-failed)
(kill-emacs (if (= test-failed 0) 0 1))

;;; test.el ends here
