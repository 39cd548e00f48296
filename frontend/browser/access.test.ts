import { expect, test } from 'vitest';

import { logIn, visit } from './browser';
import { onStage } from './stage';

const stage = onStage();

test('nobody sees a page without logging in, and sees the one asked for afterwards', async () => {
  const { page, faults } = await visit(stage.browser);
  await page.goto(`${stage.at.url}/rules`);
  await page.waitForURL(/\/login/);
  await page.getByLabel('Name').fill(stage.at.viewer.name);
  await page.getByLabel('Password').fill('not the password');
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.getByRole('alert').getByText('the name or the password is wrong').waitFor();
  await page.getByLabel('Password').fill(stage.at.viewer.password);
  await page.getByRole('button', { name: 'Log in' }).click();
  await page.waitForURL(/\/rules/);
  await page.getByRole('heading', { name: 'Rules', level: 1 }).waitFor();
  expect(faults).toEqual([]);
});

test('whoever logs out is out', async () => {
  const { page } = await visit(stage.browser);
  await logIn(page, stage.at, stage.at.viewer);
  await page.locator('summary', { hasText: 'Settings and account' }).click();
  await page.getByRole('button', { name: 'Log out' }).click();
  await page.waitForURL(/\/login/);
  await page.goto(stage.at.url);
  await page.waitForURL(/\/login/);
});
