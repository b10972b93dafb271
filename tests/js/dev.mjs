// Watches the page of development in a real Chromium while messages come; then axe-core looks at it.
// node dev.mjs FOLDER URL WANTED  ->  "ready" once it shows what is there, then one line of JSON when there is an
// article of each channel in WANTED (whatsapp,push,email) that was not there before. The page is not loaded again.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [folder, url, wanted] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const sizes = { phone: { width: 360, height: 780 }, desk: { width: 1280, height: 900 } };

// As root there is no sandbox of Chromium; it opens pages of this machine only.
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});
const said = { errors: [], requests: [], dialogs: 0, articles: [], sizes: {} };
try {
  const seen = await browser.newContext({ viewport: sizes.desk, locale: "es-AR" });
  const page = await seen.newPage();
  page.on("console", (message) => message.type() === "error" && said.errors.push(message.text()));
  page.on("pageerror", (error) => said.errors.push(String(error)));
  page.on("request", (request) => said.requests.push(request.url()));
  page.on("dialog", (dialog) => { said.dialogs += 1; return dialog.dismiss(); });
  await page.goto(url);
  await page.waitForSelector("article");
  await page.evaluate(() => { globalThis.loadedOnce = true; });
  console.log("ready");
  await page.waitForFunction(
    (channels) => channels.every((name) => document.querySelector(`article.${name}`)),
    wanted.split(","),
    { timeout: 90000, polling: 100 },
  );
  said.loadedOnce = await page.evaluate(() => globalThis.loadedOnce === true);
  said.live = await page.locator("#live.away").count() === 0;
  said.articles = await page.locator("article").evaluateAll((all) => all.map((one) => ({
    channel: ["whatsapp", "push", "email"].find((name) => one.classList.contains(name)),
    title: one.querySelector("h2")?.textContent ?? "",
    text: one.querySelector("p:not(.code)").textContent,
    code: one.querySelector("p.code")?.textContent ?? null,
    app: one.querySelector(".app")?.textContent ?? null,
    head: one.querySelector(".head .to")?.textContent ?? null,
    buttons: [...one.querySelectorAll(".buttons a")].map((link) => [link.textContent, link.href]),
    tail: getComputedStyle(one, "::before").content !== "none",
    ticks: getComputedStyle(one.querySelector("time"), "::after").content,
    images: one.querySelectorAll("img, script, iframe").length,
    width: one.getBoundingClientRect().width,
  })));
  await page.screenshot({ path: join(folder, "dev-desk.png"), fullPage: true });
  await seen.close();
  for (const [size, viewport] of Object.entries(sizes)) {
    // The checker itself is a script, which the policy of the page would refuse.
    const checked = await browser.newContext({ viewport, bypassCSP: true, locale: "es-AR" });
    const other = await checked.newPage();
    await other.goto(url);
    await other.waitForSelector("article");
    await other.screenshot({ path: join(folder, `dev-${size}.png`), fullPage: true });
    await other.evaluate(axe);
    const found = await other.evaluate(() => globalThis.axe.run());
    said.sizes[size] = {
      violations: found.violations.map((one) => `${one.id}: ${one.nodes[0].html}`),
      passes: found.passes.length,
      overflow: await other.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      ),
    };
    await checked.close();
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(said));
