//! Members: join, connect, probe, watch, discovery, facts.
