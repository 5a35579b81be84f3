// Keys, one sending of each answer, and lost connections. Without this script the pages work too.
"use strict";

const form = document.querySelector("form.judge");

/** Sends the answer once, again while the server cannot be reached, then shows where one is. */
async function send(event) {
  event.preventDefault();
  if (form.classList.contains("sent")) return;
  form.classList.add("sent");
  const body = new URLSearchParams(new FormData(form));
  if (event.submitter && event.submitter.name) body.set(event.submitter.name, event.submitter.value);
  for (;;) {
    try {
      const answer = await fetch(form.action, { method: "POST", body, redirect: "manual" });
      if (answer.status < 500 && answer.status !== 429) break;
    } catch {
      form.querySelector(".lost").hidden = false;
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  location.replace("/test"); // not one page more to go back to
}

function pressed(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || form.classList.contains("review")) return;
  const key = event.key.toLowerCase();
  const value = { r: "real", g: "generated" }[key];
  const tiles = [...form.querySelectorAll(".tile")];
  if (tiles.length === 1) {
    const chosen = value || { arrowleft: "real", arrowright: "generated" }[key];
    if (!chosen || event.repeat) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector(`button[value="${chosen}"]`));
    return;
  }
  const place = Math.max(0, tiles.findIndex((tile) => tile.contains(document.activeElement)));
  const step = { arrowleft: -1, arrowright: 1, arrowup: -3, arrowdown: 3 }[key];
  if (!value && !step) return;
  event.preventDefault();
  let next = place + (step || 1);
  if (value) tiles[place].querySelector(`input[value="${value}"]`).checked = true;
  if (value && next === tiles.length) {
    form.querySelector("button").focus();
  } else {
    next = Math.min(tiles.length - 1, Math.max(0, next));
    (tiles[next].querySelector("input:checked") || tiles[next].querySelector("input")).focus();
  }
}

if (form) {
  form.addEventListener("submit", send);
  document.addEventListener("keydown", pressed);
  const first = form.querySelector(".tile input");
  if (first) first.focus({ preventScroll: true });
}
