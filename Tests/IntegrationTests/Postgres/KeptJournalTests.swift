// A journal that keeps what Postgres has, for a replica that lags: the way of an erasure through it.

import DroverClient
import Foundation
import LocalServers
import Testing

extension Integration {
    @Suite("A journal that keeps what Postgres has")
    struct KeptJournal {
        @Test func `an erasure ends once the journal has let go of the driver`() throws {
            let gateway = try RunningGateway(settings: ["history.keep_s": "4", "history.rollup_s": "1"])
            let key = try gateway.key("pings:write,positions:read,telemetry:erase")
            try gateway.awaitStores()
            try gateway.post(TestPing.drive("van-1", from: now() - 60_000, count: 20), token: key)
            try gateway.awaitHistory()
            let response = try gateway.http("DELETE", "/v1/drivers/van-1/telemetry", token: key)
            try #require(response.status == 200 || response.status == 202, "\(response.text)")
            let id = try #require(try JSON(parsing: response.text)["id"].string)
            try eventually("the receipt") {
                let erasure = try JSON(parsing: gateway.http("GET", "/v1/erasures/\(id)", token: key).text)
                return erasure["state"].string == "done"
            }
            #expect(try gateway.rows(of: "van-1") == 0)
            let directory = try #require(gateway.environment["DROVER_JOURNAL_DIRECTORY"])
            for name in try FileManager.default.contentsOfDirectory(atPath: directory) where name.hasSuffix(".segment")
            {
                let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(directory)/\(name)"))
                #expect(bytes.range(of: Data("van-1".utf8)) == nil, "\(name)")
            }
            try gateway.expectConservation()
        }
    }
}
