"""What tests see of a stepper in a page: its count, its words, and every number in its picture."""

import json
import re

LOOK = """(() => {
  const part = (name) => document.querySelector(`[data-part="${name}"]`);
  const named = (g) => g.id.replace(/.*-/, "");
  const groups = [...document.querySelectorAll(".tglm-view svg g[id]")];
  const nodes = groups.filter((g) => /-v\\d+$/.test(g.id)), edges = groups.filter((g) => /-e\\d+$/.test(g.id));
  const line = (what) => Object.fromEntries(nodes.map((g) => [named(g),
    [...g.querySelectorAll("text")].map((t) => t.textContent).filter((t) => t.startsWith(`${what} `)).at(-1) || ""]));
  const having = (name) => groups.filter((g) => g.classList.contains(name)).map(named);
  return {
    count: part("count").textContent,
    say: part("say").innerText,
    title: part("say").querySelector("h3").textContent,
    queue: [...part("queue").querySelectorAll("span")].map((span) => span.className),
    live: part("live").textContent,
    note: part("note").textContent,
    play: part("play").getAttribute("aria-pressed"),
    mode: part("modes").value,
    phase: document.querySelector(".tglm-stepper .phases [aria-current=step]").textContent,
    values: line("data"),
    grads: line("grad"),
    edges: [...document.querySelectorAll("svg g.flows text")].map((text) => text.textContent),
    now: having("now"), gets: having("gets"), wrong: having("wrong"), back: having("back"),
    code: [...part("code").querySelectorAll(".now")].map((line) => line.textContent),
    places: [...document.querySelectorAll("svg text")]
      .map((text) => `${text.getAttribute("x")} ${text.getAttribute("y")}`).join(),
  };
})()"""
FOCUS = "document.activeElement.dataset.part || document.activeElement.className || document.activeElement.tagName"


def part(name):
    """The selector of a part of the stepper."""
    return f'[data-part="{name}"]'


def after(page, *keys):
    """What is seen when these keys have been pressed."""
    page.press(*keys)
    return page.evaluate(LOOK)


def data_in(html):
    """The data of the stepper in a page."""
    return json.loads(re.search(r'<script type="application/json" data-part="data">(.*?)</script>', html, re.S)[1])
