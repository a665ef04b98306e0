// The README's example of the client library, run line by line as it stands there.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("The client library")
    struct ClientExample {
        /// What the example prints.
        private final class Printed {
            var lines: [String] = []
        }

        private func run(_ address: String, _ viewerToken: String, _ deviceToken: String) throws -> [String] {
            let printed = Printed()
            func print(_ items: Any...) {
                printed.lines.append(items.map { "\($0)" }.joined(separator: " "))
            }
            // The README's lines begin here.
            let network = ClientNetwork()
            let gateway = try Endpoint(address)
            let viewer = TrackSession(network: network, gateway: gateway, token: viewerToken)
            viewer.onPosition = { position, _, _ in
                print(position.driverID, position.latitude, position.longitude)
                network.stop()
            }
            viewer.subscribe(["driver:van-7"])
            viewer.connect()
            let phone = IngestSession(network: network, gateway: gateway, token: deviceToken)
            phone.send(PingReport(latitude: 43.6532, longitude: -79.3832, accuracy: 5))
            phone.connect()
            network.run()
            // The README's lines end here.
            return printed.lines
        }

        @Test func `the README's example prints where the van is`() throws {
            let shared = try SharedGateway.get()
            let device = try shared.gateway.deviceToken(driver: "van-7")
            let printed = try run(shared.gateway.address, shared.key, device)
            #expect(printed == ["van-7 43.6532 -79.3832"])
        }

        @Test func `these are the README's lines`() throws {
            let own = try String(contentsOfFile: #filePath, encoding: .utf8)
            let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
                .deletingLastPathComponent()
            let readme = try String(contentsOf: root.appendingPathComponent("README.md"), encoding: .utf8)
            let block = try #require(
                readme.components(separatedBy: "```swift\n").dropFirst().first?.components(separatedBy: "```").first)
            let run = try #require(
                own.components(separatedBy: "lines begin here.\n").dropFirst().first?
                    .components(separatedBy: "            // The README's lines end").first)
            let lines = run.split(separator: "\n").map { $0.dropFirst(12) }
            #expect(block.split(separator: "\n") == lines)
        }
    }
}
