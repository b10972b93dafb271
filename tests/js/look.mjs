// Looks at pages in a real Chromium without JavaScript, checks them with axe-core, keeps screenshots.
// node look.mjs FOLDER NAME URL [NAME URL ...]  ->  one line of JSON on stdout: what was seen, by name.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [folder, ...wanted] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const sizes = { phone: { width: 360, height: 780 }, desk: { width: 1280, height: 900 } };

// As root there is no sandbox of Chromium; it opens pages of this machine only.
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});
const seen = {};
try {
  for (let place = 0; place < wanted.length; place += 2) {
    const [name, url] = wanted.slice(place, place + 2);
    seen[name] = await look(name, url);
  }
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));

async function look(name, url) {
  const said = { errors: [], requests: [], pages: {} };
  for (const [size, viewport] of Object.entries(sizes)) {
    const plain = await browser.newContext({ viewport, javaScriptEnabled: false, locale: "es-AR" });
    const page = await plain.newPage();
    page.on("console", (message) => said.errors.push(message.text()));
    page.on("request", (request) => said.requests.push(request.url()));
    const answer = await page.goto(url, { waitUntil: "load" });
    for (const picture of await page.locator("img").all()) await picture.scrollIntoViewIfNeeded();
    await page.waitForLoadState("networkidle");
    await page.screenshot({ path: join(folder, `${name}-${size}.png`), fullPage: true });
    said.pages[size] = {
      status: answer.status(),
      title: await page.title(),
      heading: await page.locator("h1").innerText(),
      pictures: await page.locator("img").evaluateAll((all) => all.map((one) => one.naturalWidth > 0)),
      height: (await page.locator("body").boundingBox()).height,
    };
    await plain.close();
    // The checker itself is a script, which the policy of the page would refuse.
    const checked = await browser.newContext({ viewport, bypassCSP: true, locale: "es-AR" });
    const other = await checked.newPage();
    await other.goto(url, { waitUntil: "load" });
    await other.evaluate(axe);
    const found = await other.evaluate(() => globalThis.axe.run());
    said.pages[size].violations = found.violations.map((one) => `${one.id}: ${one.nodes[0].html}`);
    said.pages[size].passes = found.passes.length;
    said.pages[size].overflow = await other.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    await checked.close();
  }
  return said;
}
