// /drover.js for people who write pages of their own: its types, and the examples that they copy.

import DroverClient
import Foundation
import LocalServers
import Testing

extension PageTests {
    @Suite(.serialized) struct ClientTypesTests {
        /// A page of somebody's own, which uses all of it, and in two places wrongly.
        private static let consumer = """
            import { DroverClient, Glide, type Arrival, type DroverEvents, type Position } from "./drover.js";
            const client = new DroverClient({ token: "drt_x", url: "wss://example.com/v1/track", maxRateHz: 2 });
            const glides = new Map<string, Glide>();
            client.on("positions", ({ positions, snapshot, subject }) => {
              if (snapshot) console.log(subject?.startsWith("order:"));
              for (const position of positions) {
                const known = glides.get(position.driver_id);
                const isNews: boolean = known?.move(position, performance.now()) ?? true;
                if (!known && isNews) glides.set(position.driver_id, new Glide(position, performance.now()));
              }
            });
            client.on("arrivals", ({ arrivals }) => arrivals.map((each: Arrival) => each.arrives_at - client.serverNow()));
            client.on("state", ({ name, retryAt }) => { if (name === "waiting") console.log((retryAt ?? 0) - Date.now()); });
            client.on("left", ({ left }) => left.filter(({ gone }) => gone));
            client.addEventListener("status", (event) => (event as CustomEvent<DroverEvents["status"]>).detail.status);
            // @ts-expect-error there is no such event
            client.on("position", () => {});
            // @ts-expect-error a speed may be unknown
            const speed = (position: Position): number => position.speed;
            export const refused: Promise<Record<string, string>> =
              client.subscribe(["order:9f2"]).then((answer) => answer.refused);
            """

        @Test func `the types are right by TypeScript's own judgement, and every export has one`() throws {
            try withPages { gateway, browser in
                let directory = try TemporaryDirectory(prefix: "dt")
                defer { directory.remove() }
                let types = try HTTPClient.request("GET", "\(gateway.address)/drover.d.ts")
                #expect(types.header("Content-Type") == "application/typescript; charset=utf-8")
                try types.text.write(toFile: "\(directory.path)/drover.d.ts", atomically: true, encoding: .utf8)
                let consumer = "\(directory.path)/consumer.ts"
                try Self.consumer.write(toFile: consumer, atomically: true, encoding: .utf8)
                let result = try Command.run([
                    "tsc", "--noEmit", "--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution",
                    "node", consumer,
                ])
                #expect(result.status?.isSuccess == true, "\(result.output)")

                let page = try Page(browser)
                defer { page.close() }
                try Self.openEmptyPage(page, gateway)
                let exported = try page.value(
                    "import('/drover.js').then((all) => Object.keys(all).sort())", as: [String].self)
                let declared = types.text.matches(of: #/export declare (?:class|function|const) (\w+)/#).map {
                    String($0.1)
                }
                #expect(exported == declared.sorted())
                // Members too: those of the classes themselves, as far as they are public.
                for name in exported {
                    let members: [String] = try page.value(
                        "import('/drover.js').then((all) => Object.getOwnPropertyNames(all.\(name).prototype))")
                    let body = try #require(types.text.split(separator: "export declare class \(name) ").last)
                    for member in members { #expect(body.contains(member), "\(name).\(member) is declared") }
                }
            }
        }

        @Test func `the scripts of the pages are right by TypeScript's judgement`() throws {
            let gateway = try GatewayFixture()
            defer { gateway.remove() }
            let directory = try TemporaryDirectory(prefix: "dt")
            defer { directory.remove() }
            func save(_ text: String, _ name: String) throws {
                try text.write(toFile: "\(directory.path)/\(name)", atomically: true, encoding: .utf8)
            }
            // As they are served: what refers to what is followed from the pages' first script on.
            var left = ["map", "fleet"]
            var seen: Set<String> = []
            while let name = left.popLast() {
                guard seen.insert(name).inserted else { continue }
                let script = try HTTPClient.request("GET", "\(gateway.address)/assets/\(name).js")
                try #require(script.status == 200, "\(name).js")
                try save(script.text, "\(name).js")
                left += script.text.matches(of: #/from "\.\/([\w-]+)\.js"/#).map { String($0.1) }
            }
            try save(try HTTPClient.request("GET", "\(gateway.address)/drover.d.ts").text, "drover.d.ts")
            // What is a part of /drover.js is named by its own file where types are meant.
            try save("export { Departure } from \"./drover.js\";\n", "seen.d.ts")
            // Debian's TypeScript is older than what every browser draws with by now.
            try save(
                """
                declare const L: any;
                interface CanvasRenderingContext2D {
                  roundRect(x: number, y: number, width: number, height: number, radii?: number | number[]): void;
                }
                """, "leaflet.d.ts")
            try save(
                """
                {"compilerOptions": {"allowJs": true, "checkJs": true, "noEmit": true, "strict": true, "target": "es2022",
                "module": "es2022", "moduleResolution": "node", "lib": ["es2022", "dom", "dom.iterable"], "baseUrl": ".",
                "paths": {"/drover.js": ["./drover.d.ts"]}}, "files": ["map.js", "fleet.js", "leaflet.d.ts"]}
                """, "tsconfig.json")
            let result = try Command.run(["tsc", "--project", directory.path], within: .seconds(120))
            #expect(result.status?.isSuccess == true, "\(result.output)")
        }

        /// Opens a page of the gateway's that has no script of its own, where one may be put.
        private static func openEmptyPage(_ page: Page, _ gateway: GatewayFixture) throws {
            try page.call("Page.setBypassCSP", ["enabled": true])
            try page.open("\(gateway.address)/assets/settings.json")
            try page.wait("the page is there", "document.body.innerText.includes('tile_url')")
        }

        /// Runs the text of a module in the page as it stands, and as a page with it would.
        private static func runModule(_ text: String, in page: Page) throws {
            let data = try JSONEncoder().encode(text)
            try page.run(
                """
                const script = document.createElement("script");
                script.type = "module";
                script.textContent = \(String(decoding: data, as: UTF8.self));
                document.head.append(script)
                """)
        }

        @Test func `the example that /drover-js begins with works`() throws {
            try withPages { gateway, browser in
                try gateway.ping("van-1", at: toronto, secondsAgo: 20)
                let module = try HTTPClient.request("GET", "\(gateway.address)/drover.js").text
                let lines = module.split(separator: "\n").prefix { $0.hasPrefix("//") }.filter { $0.hasPrefix("//   ") }
                #expect(lines.count == 10)
                let example = lines.map { String($0.dropFirst(5)) }.joined(separator: "\n")
                try #require(example.contains("\"…\"") && example.contains("driver:van-1"))
                let page = try Page(browser)
                defer { page.close() }
                try Self.openEmptyPage(page, gateway)
                try Self.runModule(
                    example.replacing("\"…\"", with: "\"\(gateway.key)\"") + "\nwindow.vans = vans;", in: page)
                try page.wait(
                    "it has the driver", "window.vans?.get('van-1')?.at(performance.now()).lat === \(toronto.lat)")
                try gateway.ping("van-1", at: Place(lat: 43.6541, lng: toronto.lng))
                try page.wait("who glides on", "vans.get('van-1').at(performance.now()).lat === 43.6541")
                #expect(page.complaints.filter { !$0.contains("favicon") } == [])
            }
        }

        @Test func `the README's example of it works`() throws {
            try withPages { gateway, browser in
                try gateway.ping("my-van", at: toronto)
                let readme = try String(contentsOf: Self.readme, encoding: .utf8)
                let script = try #require(readme.firstMatch(of: #/<script type="module">\n((?:  .*\n)+)<\/script>/#)).1
                try #require(script.contains("drk_…") && script.contains("ws://127.0.0.1:8080"))
                let page = try Page(browser)
                defer { page.close() }
                try page.call("Page.setBypassCSP", ["enabled": true])
                // Beside a copy of the module, as the README says.
                try page.open("\(gateway.address)/healthz")
                try page.wait("the page is there", "document.body.innerText.includes('status')")
                try page.run("window.told = []; console.log = (value) => told.push(value)")
                try Self.runModule(
                    String(script).replacing("drk_…", with: gateway.key)
                        .replacing("ws://127.0.0.1:8080", with: gateway.address.replacing("http", with: "ws")), in: page
                )
                try page.wait("it tells", "told.some(([position]) => position?.driver_id === 'my-van')")
                #expect(page.complaints.filter { !$0.contains("favicon") } == [])
            }
        }

        private static let readme = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../README.md").standardized
    }
}
