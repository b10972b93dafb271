// Two windows of a real Chromium talk on /dev/chat.
// node two_windows.mjs FOLDER URL {"business", "client": {"phone", "password"}, "owner": {…}}
//   ->  one line of JSON: what each of them saw, what the console said, what axe-core has against the page.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [folder, url, told] = process.argv.slice(2);
const { business, client, owner } = JSON.parse(told);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const said = { errors: [], violations: [] };

const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-dev-shm-usage"],
});

async function window(person, options) {
  // The checker is a script that the policy of the page refuses: only the window that is checked goes around it.
  const context = await browser.newContext({ locale: "es-AR", ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("console", (message) => said.errors.push(message.text()));
  page.on("pageerror", (error) => said.errors.push(String(error)));
  await page.goto(url);
  await page.getByLabel("Teléfono").fill(person.phone);
  await page.getByLabel("Contraseña").fill(person.password);
  await page.getByRole("button", { name: "Entrar" }).click();
  await page.getByText("en línea").waitFor();
  return page;
}

const lines = (page) => page.locator("#lines li > span:first-child").allInnerTexts();
async function write(page, text) {
  await page.getByLabel("Mensaje", { exact: true }).fill(text);
  await page.getByRole("button", { name: "Enviar" }).click();
}

try {
  const phone = await window(client, { viewport: { width: 360, height: 780 } });
  const desk = await window(owner, { viewport: { width: 1280, height: 900 } });
  await phone.getByLabel("Escribirle a un negocio").fill(business);
  await phone.getByRole("button", { name: "Buscar" }).click();
  await write(phone, "¿Tenés lugar hoy? <b>gracias</b>");
  await desk.locator("#talks .unread").waitFor();
  said.unread = await desk.locator("#talks .unread").innerText();
  await desk.locator("#talks button").click();
  await phone.getByText("✓✓ leído").waitFor();
  await desk.getByLabel("Mensaje", { exact: true }).pressSequentially("Sí,");
  await phone.getByText("escribiendo…").waitFor();
  await desk.getByRole("button", { name: "A las 18" }).click();
  await phone.locator("#lines").getByText("A las 18").waitFor();
  await phone.screenshot({ path: join(folder, "chat-phone.png") });
  await desk.screenshot({ path: join(folder, "chat-desk.png") });
  await phone.reload();
  await phone.locator("#talks button").click();
  await phone.locator("#lines").getByText("A las 18").waitFor();
  said.client = await lines(phone);
  said.owner = await lines(desk);
  said.overflow = await phone.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  const checked = await window(client, { bypassCSP: true });
  await checked.evaluate(axe);
  for (const step of ["lobby", "talk"]) {
    if (step === "talk") {
      await checked.locator("#talks button").click();
      await checked.locator("#lines").getByText("A las 18").waitFor();
    }
    const found = await checked.evaluate(() => globalThis.axe.run());
    said.violations.push(...found.violations.map((one) => `${step}: ${one.id}: ${one.nodes[0].html}`));
    said.passes = found.passes.length;
  }
} catch (error) {
  said.errors.push(String(error));
} finally {
  await browser.close();
}
console.log(JSON.stringify(said));
