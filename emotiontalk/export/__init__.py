"""The release as Parquet, as files for toolkits, as the files of the zh→en benchmark."""
