// Erasures as a backend asks for them, and their receipts.

import DroverClient
import Testing

extension RunningGateway {
    /// The document of an erasure; null where it cannot be had.
    func erasure(_ id: String, key: String) throws -> JSON {
        let response = try http("GET", "/v1/erasures/\(id)", token: key)
        return response.status == 200 ? try JSON(parsing: response.text) : JSON(nil)
    }

    /// Waits for an erasure's receipt.
    @discardableResult
    func awaitErasure(_ id: String, key: String) throws -> JSON {
        try awaitValue("erasure \(id) is done", within: 60) {
            let document = try erasure(id, key: key)
            return document["state"].string == "done" ? document : nil
        }
    }

    /// Erases a driver and gives the reply with the receipt: the request's own, or, where it is not done within the three
    /// seconds that a request waits, the one that says so later.
    @discardableResult
    func erase(
        _ driver: String, key: String, query: String = "", sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> HTTPResponse {
        let response = try http("DELETE", "/v1/drivers/\(driver)/telemetry\(query)", token: key)
        guard response.status == 202 else {
            try #require(response.status == 200, "\(response.text)", sourceLocation: sourceLocation)
            return response
        }
        let id = try #require(try JSON(parsing: response.text)["id"].string, sourceLocation: sourceLocation)
        try awaitErasure(id, key: key)
        return try http("GET", "/v1/erasures/\(id)", token: key)
    }
}
