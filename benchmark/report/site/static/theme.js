// Before the page is drawn, so that it does not flash.
"use strict";
try {
  const kept = localStorage.getItem("theme");
  if (kept) document.documentElement.dataset.theme = kept;
} catch { /* some browsers keep nothing for files */ }
