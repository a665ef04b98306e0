// A gateway with DelAuto's file and nothing else. There is no schema: DelAuto's own store is MongoDB, which Drover neither
// needs nor touches.

import DroverClient
import Foundation
import LocalServers
import Synchronization
import Testing

/// The gateway, and the tokens that DelAuto signs.
struct DelAutoScene {
    /// Ids as DelAuto's documents have them.
    static let smith = "64f1a2b3c4d5e6f7g8h9i0j3"
    static let jones = "64f1a2b3c4d5e6f7g8h9i0j4"
    static let delivery = "64f1a2b3c4d5e6f7g8h9i0j1"
    static let geoJSON = [("Content-Type", "application/geo+json")]

    let gateway: RunningGateway
    let signed = SignedTokens()

    init(settings: [String: String] = [:]) throws {
        gateway = try RunningGateway(settings: settings, file: SystemFile.path("delauto"), starts: false)
        let keySet = gateway.directory.path + "/jwks.json"
        try signed.keySet.write(toFile: keySet, atomically: true, encoding: .utf8)
        gateway.set("access.jwks_file", keySet)
        try gateway.start()
        try gateway.awaitStores()
    }

    /// An agent's token. `more` is further claims, with a comma before.
    func agent(_ id: String, more: String = "") -> String {
        signed.token(#""sub":"\#(id)","role":"agent","is_active":true\#(more)"#)
    }

    /// An admin's token.
    var admin: String { signed.token(#""sub":"64f1a2b3c4d5e6f7g8h9i0a1","role":"admin","is_active":true"#) }

    /// A fix as an agent's app sends it.
    static func feature(
        at: Int64, _ longitude: Double, _ latitude: Double, accuracy: Double = 6, driver: String? = nil
    ) -> String {
        let id = driver.map { ",\"driver_id\":\"\($0)\"" } ?? ""
        return #"{"type":"Feature","geometry":{"type":"Point","coordinates":[\#(longitude),\#(latitude)]},"#
            + #""properties":{"recorded_at":\#(at),"accuracy":\#(accuracy),"speed":9.5\#(id)}}"#
    }

    /// Makes a key in DelAuto's words.
    func key(_ permissions: String, limit: String? = nil) throws -> String {
        let result = try Command.run(
            [droverProgram, "key", "create", "--name", "test", "--permissions", permissions]
                + (limit.map { ["--rate-limit", $0] } ?? []) + gateway.arguments,
            environment: gateway.environment.mapValues { $0 })
        try #require(result.status?.isSuccess == true, "\(result.output)")
        let key = result.output.trimmingCharacters(in: .whitespacesAndNewlines)
        LogBook.secrets.withLock { _ = $0.insert(key) }
        return key
    }
}
