/** The private shop as a definition for the command line, under the name that the test gave it. */
import { definePrivateShop } from './private-shop.ts'

export default definePrivateShop(process.env['PRIVATE_SHOP_NAME'] ?? 'private').system
