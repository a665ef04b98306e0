/// Newest positions as GeoJSON (RFC 7946): what `GET /v1/drivers` answers to who asks for it.

/// Writes Features, whose properties are a native position's members without its place.
public enum GeoJSONPositions {
    /// The media type (RFC 7946, section 12).
    public static let mediaType = "application/geo+json"

    /// Appends a driver's Feature.
    /// - Parameters:
    ///   - metres: how far it is from where was asked; nil where nothing was.
    ///   - state: how fresh it is; nil leaves that out.
    public static func append(
        _ driver: DriverID, _ position: Position, distance metres: Double?, state: Presence? = nil,
        to writer: inout JSONWriter
    ) {
        writer.raw("{\"type\":\"Feature\",\"id\":")
        writer.id(driver)
        writer.raw(",\"geometry\":{\"type\":\"Point\",\"coordinates\":[")
        writer.degrees(position.longitude)
        writer.raw(",")
        writer.degrees(position.latitude)
        writer.raw("]},\"properties\":{\"driver_id\":")
        writer.id(driver)
        writer.raw(",")
        position.appendMembers(to: &writer, withPlace: false)
        if let metres {
            writer.raw(",\"distance_m\":")
            writer.fixed(Int64((metres * 10).rounded()), decimals: 1)
        }
        if let state { writer.raw(",\"state\":\"\(state.name)\"") }
        writer.raw("}}")
    }
}
