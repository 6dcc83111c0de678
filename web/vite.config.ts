import { svelte } from '@sveltejs/vite-plugin-svelte'
import { defineConfig } from 'vite'

const server = process.env.LABELSIEVE_SERVER ?? 'http://127.0.0.1:8000'

export default defineConfig({
  plugins: [svelte()],
  build: {
    outDir: '../src/labelsieve/page/static',
    emptyOutDir: true,
    modulePreload: false, // its polyfill would be an inline script
    assetsInlineLimit: 0,
    target: ['chrome123', 'firefox120', 'safari17.5'],
  },
  server: { proxy: { '/api': server, '/thumb': server, '/image': server } },
})
