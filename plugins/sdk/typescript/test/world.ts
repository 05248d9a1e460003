// A host for tests: what the modules of the plugin's interfaces export, as far as the package uses them.

export const configured = new Map<string, string>();
export const published: unknown[] = [];
export const logged: string[] = [];
export const answers: unknown[] = [];

export const get = (key: string) => configured.get(key);
export const log = (level: string, context: string, message: string) => logged.push(`${level} ${context} ${message}`);

export function publish(message: unknown): void {
  const payload = answers.pop();
  if (payload) throw Object.assign(new Error("component error"), { payload });
  published.push(message);
}
